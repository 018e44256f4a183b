import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkStructure, openingLineCount, type RuleName } from './check-structure.ts';
import { exceptions, powerOwners, renderRooms, rooms, type Room } from './rooms.ts';
import { blank, findImports, findPowers } from './scan-source.ts';

const root = join(import.meta.dirname, '../..');

describe('the source of this repository', () => {
  test('keeps to the table of rooms, the doors, the powers and the names', () => {
    const files = readTree();
    expect(files.size).toBeGreaterThan(5);
    const violations = checkStructure(files, { rooms, powerOwners, exceptions });
    expect(violations.map(({ rule, where, message }) => `[${rule}] ${where} ${message}`)).toEqual([]);
  });

  test('ARCHITECTURE.md prints the table of rooms as it is', () => {
    const file = join(root, 'ARCHITECTURE.md');
    const page = readFileSync(file, 'utf8');
    const between = /(<!-- rooms -->\n)([\s\S]*?)(\n<!-- \/rooms -->)/;
    expect(page, 'ARCHITECTURE.md has no <!-- rooms --> … <!-- /rooms -->').toMatch(between);
    const expected = page.replace(between, (_, begin: string, _old, end: string) => begin + renderRooms() + end);
    if (process.env['UPDATE_ROOMS'] === '1') writeFileSync(file, expected);
    const printed = readFileSync(file, 'utf8');
    expect(printed, 'UPDATE_ROOMS=1 npm test -- test/structure writes it anew').toBe(expected);
  });
});

const row = (name: string, floor: number, more: Partial<Room> = {}): Room => ({
  name,
  floor,
  isPublic: false,
  what: '',
  ...more,
});
const rules = {
  rooms: [
    row('low', 0, { isPure: true }),
    row('middle', 1),
    row('twin', 1, { isPlanned: true }),
    row('high', 2),
    row('page', 2, { isPlanned: true, folder: 'page', door: false, sees: ['low'] }),
  ],
  powerOwners: { ...powerOwners, clock: ['src/middle/clock.ts'], processes: [] },
  exceptions: [{ from: 'src/low/', to: 'src/high/known.ts', reason: 'a test of exceptions' }],
};
const opening = '// line\n'.repeat(10);
const sound: Record<string, string> = {
  'src/low/index.ts': opening,
  'src/middle/index.ts': `${opening}import { a } from '../low/index.ts';`,
  'src/high/index.ts': `${opening}import type { B } from '../middle/index.ts';`,
};

/** The rules broken by a sound tree after some files are put in, as `rule where`. */
function broken(change: Record<string, string>): string[] {
  const files = new Map(Object.entries({ ...sound, ...change }));
  return checkStructure(files, rules).map(({ rule, where }) => `${rule} ${where}`);
}

describe('the checker', () => {
  test('finds nothing in a sound tree', () => {
    expect(broken({})).toEqual([]);
  });

  const planted: [RuleName, string, Record<string, string>, string][] = [
    [
      'floor',
      'an import of a higher floor',
      { 'src/low/a.ts': "import { x } from '../high/index.ts';" },
      'src/low/a.ts:1',
    ],
    [
      'floor',
      'an import of the same floor',
      { 'src/middle/a.ts': "\nimport '../twin/index.ts';", 'src/twin/index.ts': opening },
      'src/middle/a.ts:2',
    ],
    [
      'floor',
      'a type-only import upward',
      { 'src/low/a.ts': "import type {\n  X,\n} from '../high/index.ts';" },
      'src/low/a.ts:3',
    ],
    ['floor', 'a dynamic import upward', { 'src/low/a.ts': "await import('../high/index.ts');" }, 'src/low/a.ts:1'],
    [
      'floor',
      'a type taken by import() upward',
      { 'src/low/a.ts': "type X = import('../high/index.ts').X;" },
      'src/low/a.ts:1',
    ],
    ['floor', 'a re-export from above', { 'src/low/a.ts': "export * from '../high/index.ts';" }, 'src/low/a.ts:1'],
    [
      'floor',
      'a URL of a file above',
      { 'src/low/a.ts': "new URL('../high/index.ts', import.meta.url)" },
      'src/low/a.ts:1',
    ],
    ['floor', 'a file outside all rooms', { 'src/low/a.ts': "import '../../test/tool.ts';" }, 'src/low/a.ts:1'],
    ['floor', 'a room that one may not see', { 'page/a.tsx': "import '../src/middle/index.ts';" }, 'page/a.tsx:1'],
    [
      'door',
      "a neighbour's inner file",
      { 'src/middle/a.ts': "import '../low/inner.ts';", 'src/low/inner.ts': '' },
      'src/middle/a.ts:1',
    ],
    ['power', 'a clock in the wrong file', { 'src/middle/a.ts': 'const t = Date.now();' }, 'src/middle/a.ts:1'],
    ['power', 'a process', { 'src/high/a.ts': "import { spawn } from 'node:child_process';" }, 'src/high/a.ts:1'],
    ['pure', 'Node in a pure room', { 'src/low/a.ts': "import { join } from 'node:path';" }, 'src/low/a.ts:1'],
    ['pure', 'a built-in without its prefix', { 'src/high/a.ts': "import { join } from 'path';" }, 'src/high/a.ts:1'],
    ['opening', 'a room without a comment', { 'src/low/index.ts': 'export {};' }, 'src/low/index.ts'],
    ['opening', 'a comment too long', { 'src/low/index.ts': `/*${'\n *'.repeat(61)} */` }, 'src/low/index.ts'],
    ['opening', 'a room without a door', { 'src/twin/a.ts': '' }, 'src/twin/index.ts'],
    ['rooms', 'a folder that no row names', { 'src/attic/a.ts': '' }, 'src/attic'],
    ['rooms', 'a file beside the rooms', { 'src/loose.ts': '' }, 'src/loose.ts'],
    ['name', 'a file of helpers', { 'src/low/git-helpers.ts': '' }, 'src/low/git-helpers.ts'],
    ['name', 'a folder of utilities', { 'src/low/utils/a.ts': '' }, 'src/low/utils/a.ts'],
    ['name', 'a name with capitals', { 'src/low/claimTask.ts': '' }, 'src/low/claimTask.ts'],
  ];
  test.each(planted)('%s: sees %s', (rule, _what, change, where) => {
    expect(broken(change)).toEqual([`${rule} ${where}`]);
  });

  test('a row whose room is gone is reported', () => {
    const files = new Map(Object.entries(sound).filter(([path]) => !path.startsWith('src/high/')));
    expect(checkStructure(files, rules).map(({ where }) => where)).toEqual(['src/high']);
  });

  test('lets through owners, tests, listed exceptions and a room that looks at itself', () => {
    const change = {
      'src/high/a.ts': "import { test } from 'node:test';",
      'src/middle/clock.ts': "import { b } from './b.ts';\nexport const now = () => Date.now();",
      'src/middle/b.ts': "const worker = new URL('./clock.ts', import.meta.url);",
      'src/middle/b.test.ts': "import { spawn } from 'node:child_process';\nimport '../../test/tool.ts';",
      'src/low/a.ts': "import '../high/known.ts';",
      'page/a.tsx': "import '../src/low/index.ts';",
    };
    expect(broken(change)).toEqual([]);
  });
});

describe('the scanner', () => {
  test('finds no import and no power in comments, strings, templates and regular expressions', () => {
    const text = [
      "// import 'node:net'; Date.now()",
      "/* from 'node:vm' */ const a = \"x from 'node:net' Date.now()\";",
      "const b = `import 'node:net' ${'Date.now()'} Math.random`;",
      "const c = /[/'\"]Date.now()/.test(a) ? 4 / 2 : 1; // '",
      "const d = 'it\\'s from \"node:net\"';",
    ].join('\n');
    expect(findImports(text)).toEqual([]);
    expect(findPowers(text)).toEqual([]);
    expect(blank(text)).toHaveLength(text.length);
  });

  test('finds code inside a template and goes on after it', () => {
    const found = findPowers('const a = `${`${{ t: Date.now() }}`}`; Math.random();');
    expect(found.map(({ power }) => power)).toEqual(['clock', 'random']);
  });

  const uses: [string, string[]][] = [
    ['new Date()', ['clock']],
    ['new Date(now)', []],
    ['setTimeout(f, 1)', ['clock']],
    ['globalThis.setInterval(f, 1)', ['clock']],
    ['clock.setTimeout(f, 1)', []],
    ['type T = ReturnType<typeof setTimeout>', []],
    ["import { setTimeout as sleep } from 'node:timers/promises';", ['clock', 'clock']],
    ['performance.now()', ['clock']],
    ['AbortSignal.timeout(5)', ['clock']],
    ['crypto.randomUUID()', ['random']],
    ["import { createHash } from 'node:crypto';", []],
    ["import {\n  createHash,\n  randomBytes,\n} from 'node:crypto';", ['random']],
    ["import { DatabaseSync } from 'node:sqlite';", ['sql']],
    ["const { spawn } = await import('node:child_process');", ['processes']],
    ["import http from 'node:http';", ['sockets']],
    ['await fetch(url)', ['sockets']],
    ['store.fetch(url)', []],
    ["console.log('x')", ['stdout']],
    ["process.stdout.write('x')", ['stdout']],
    ["import { Worker } from 'node:worker_threads';", ['threads']],
    ["import vm from 'node:vm';", ['vm']],
  ];
  test.each(uses)('%s uses %j', (text, powers) => {
    expect(findPowers(text).map(({ power }) => power)).toEqual(powers);
  });

  test('counts the lines of an opening comment of either kind', () => {
    expect(openingLineCount('/**\n * a\n */\ncode')).toBe(3);
    expect(openingLineCount('// a\n// b\n\n// c')).toBe(2);
    expect(openingLineCount("import 'x';\n// a")).toBe(0);
  });
});

/** Every file that the rules speak about, by its path from the root. */
function readTree(): Map<string, string> {
  const folders = ['src', 'web', 'test', 'scripts'].filter((folder) => existsSync(join(root, folder)));
  const paths = globSync(
    folders.map((folder) => `${folder}/**/*`),
    { cwd: root, exclude: (path) => /(^|[\\/])(node_modules|fixtures|dist)$/.test(path) },
  );
  return new Map(
    paths
      .filter((path) => statSync(join(root, path)).isFile())
      .map((path) => [path.split(sep).join('/'), readFileSync(join(root, path), 'utf8')]),
  );
}
