/**
 * The rules of the house, as one pure function over a tree of files, so that its own test can plant a violation of each.
 */
import { posix } from 'node:path';
import { blank, findImports, findPowers, isBareBuiltin } from './scan-source.ts';
import { folderOf, type Exception, type Power, type Room } from './rooms.ts';

/** What the source is held to. */
export interface Rules {
  readonly rooms: readonly Room[];
  readonly powerOwners: Record<Power, readonly string[]>;
  readonly exceptions: readonly Exception[];
}

/** The rules by name; a violation says which. */
export type RuleName = 'floor' | 'door' | 'power' | 'pure' | 'opening' | 'rooms' | 'name';

/** One fault, with where it is and what to do. */
export interface Violation {
  readonly rule: RuleName;
  /** `path` or `path:line`. */
  readonly where: string;
  readonly message: string;
}

const OPENING_LINES_MIN = 10;
const OPENING_LINES_MAX = 60;
const emptyWords = new Set(['util', 'utils', 'helper', 'helpers', 'manager', 'managers', 'misc']);

/**
 * Holds a tree of files to the rules.
 * @param files text by path from the repository's root, with `/` between the parts
 * @returns every violation, in the order of the paths; empty when all is well
 */
export function checkStructure(files: ReadonlyMap<string, string>, rules: Rules): Violation[] {
  const violations: Violation[] = checkRooms(files, rules);
  for (const [path, text] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    violations.push(...checkName(path));
    const room = roomOf(path, rules);
    if (room === undefined || !/\.tsx?$/.test(path)) continue;
    const code = blank(text);
    violations.push(...checkImports(path, text, code, room, rules));
    if (!isTest(path)) violations.push(...checkPowers(path, text, code, rules));
  }
  return violations;
}

/** How many lines the comment at the very top of a file has; nought when the file opens with something else. */
export function openingLineCount(text: string): number {
  const block = /^\s*\/\*[\s\S]*?\*\//.exec(text);
  if (block !== null) return block[0].trim().split('\n').length;
  const lines = text.trimStart().split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return end === -1 ? lines.length : end;
}

function checkRooms(files: ReadonlyMap<string, string>, rules: Rules): Violation[] {
  const violations: Violation[] = [];
  const paths = [...files.keys()];
  const inSrc = new Set(paths.filter((path) => path.startsWith('src/')).map((path) => path.split('/')[1] ?? ''));
  for (const name of inSrc) {
    if (rules.rooms.some((room) => folderOf(room) === `src/${name}`)) continue;
    const message = `is in no room of the table: add a row to test/structure/rooms.ts or move it into a room`;
    violations.push({ rule: 'rooms', where: `src/${name}`, message });
  }
  for (const room of rules.rooms) {
    const folder = folderOf(room);
    const exists = paths.some((path) => path.startsWith(`${folder}/`));
    if (!exists && room.isPlanned !== true) {
      violations.push({ rule: 'rooms', where: folder, message: 'is in the table and not on the disk' });
    }
    if (!exists || room.door === false) continue;
    const door = `${folder}/${room.door ?? 'index.ts'}`;
    const text = files.get(door);
    const lineCount = text === undefined ? 0 : openingLineCount(text);
    if (text === undefined) {
      violations.push({ rule: 'opening', where: door, message: 'is missing: every room has one door' });
    } else if (lineCount < OPENING_LINES_MIN || lineCount > OPENING_LINES_MAX) {
      const message = `opens with a comment of ${lineCount} lines; a room opens with ${OPENING_LINES_MIN} to ${OPENING_LINES_MAX}: what it is, its nouns, what it promises, what it does when the world fails`;
      violations.push({ rule: 'opening', where: door, message });
    }
  }
  return violations;
}

function checkImports(path: string, text: string, code: string, room: Room, rules: Rules): Violation[] {
  const violations: Violation[] = [];
  for (const { specifier, line } of findImports(text, code)) {
    const where = `${path}:${line}`;
    if (isBareBuiltin(specifier)) {
      violations.push({ rule: 'pure', where, message: `writes '${specifier}' for 'node:${specifier}'` });
    }
    if (room.isPure === true && !isTest(path) && isBuiltin(specifier)) {
      violations.push({
        rule: 'pure',
        where,
        message: `${room.name} runs where there is no Node and imports ${specifier}`,
      });
    }
    if (!specifier.startsWith('.')) continue;
    const target = posix.join(posix.dirname(path), specifier);
    const neighbour = roomOf(target, rules);
    if (neighbour === room || rules.exceptions.some((e) => covers(e.from, path) && covers(e.to, target))) continue;
    if (neighbour === undefined) {
      // Tests may reach what only tests share; source may not leave the rooms.
      if (isTest(path) && target.startsWith('test/')) continue;
      violations.push({ rule: 'floor', where, message: `imports ${target}, which is in no room` });
      continue;
    }
    if (neighbour.floor >= room.floor) {
      const message = `${room.name} (floor ${room.floor}) imports ${neighbour.name} (floor ${neighbour.floor}); imports point to lower floors only`;
      violations.push({ rule: 'floor', where, message });
    } else if (room.sees !== undefined && !room.sees.includes(neighbour.name)) {
      violations.push({
        rule: 'floor',
        where,
        message: `${room.name} sees only ${room.sees.join(', ')}, and imports ${neighbour.name}`,
      });
    }
    const door = neighbour.door === false ? undefined : `${folderOf(neighbour)}/${neighbour.door ?? 'index.ts'}`;
    if (target !== door) {
      violations.push({ rule: 'door', where, message: `imports ${target}; the door is ${door ?? 'closed to others'}` });
    }
  }
  return violations;
}

function checkPowers(path: string, text: string, code: string, rules: Rules): Violation[] {
  return findPowers(text, code)
    .filter(({ power }) => !rules.powerOwners[power].some((owner) => covers(owner, path)))
    .map(({ power, line, text: use }) => ({
      rule: 'power' as const,
      where: `${path}:${line}`,
      message: `uses ${power} (${use}), which belongs to ${rules.powerOwners[power].join(', ')}: take it as a parameter`,
    }));
}

function checkName(path: string): Violation[] {
  const violations: Violation[] = [];
  for (const part of path.split('/')) {
    const words = part.split(/[-.]/);
    if (words.some((word) => emptyWords.has(word.toLowerCase()))) {
      violations.push({ rule: 'name', where: path, message: `"${part}" says nothing: name it by its noun or act` });
    }
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/.test(part)) {
      violations.push({ rule: 'name', where: path, message: `"${part}" is not in kebab-case` });
    }
  }
  return violations;
}

function roomOf(path: string, rules: Rules): Room | undefined {
  return rules.rooms.find((room) => path.startsWith(`${folderOf(room)}/`));
}

function covers(owner: string, path: string): boolean {
  return owner.endsWith('/') ? path.startsWith(owner) : owner === path;
}

function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path);
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || isBareBuiltin(specifier);
}
