import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exportsOf } from './doc-comments.ts';
import { folderOf, rooms } from './rooms.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const doors = rooms
  .filter((room) => room.door !== false)
  .map((room) => `${folderOf(room)}/${room.door ?? 'index.ts'}`)
  .filter((door) => existsSync(join(root, door)));

describe('what a room shows at its door', () => {
  test.each(doors)('%s: everything has a doc comment', (door) => {
    const bare = exportsOf(door, read).filter(({ isDocumented }) => !isDocumented);
    expect(bare.map(({ name, path }) => `${path}: ${name}`)).toEqual([]);
  });

  test('is found: the doors have what the public subpaths pass on', () => {
    const names = new Set(doors.flatMap((door) => exportsOf(door, read).map(({ name }) => name)));
    expect(names.size).toBeGreaterThan(400);
    for (const name of ['proxyActivities', 'Worker', 'TemporalFailure', 'RetryPolicy', 'WorkflowClient'])
      expect(names, name).toContain(name);
  });
});

describe('the search for doc comments', () => {
  const found = (files: Record<string, string>): string[] =>
    exportsOf('a/index.ts', (path) => files[path] ?? '')
      .filter(({ isDocumented }) => !isDocumented)
      .map(({ name, path }) => `${path}: ${name}`);

  test.each<[string, Record<string, string>, string[]]>([
    ['a declaration without one', { 'a/index.ts': 'export const a = 1;' }, ['a/index.ts: a']],
    ['one that has it', { 'a/index.ts': '/** A. */\nexport async function a() {}' }, []],
    ['one with a note to the linter below it', { 'a/index.ts': '/** A. */\n// note\nexport class A {}' }, []],
    ['a comment of another kind', { 'a/index.ts': '/* A. */\nexport class A {}' }, ['a/index.ts: A']],
    [
      'a comment of something before it',
      { 'a/index.ts': '/** A. */\nconst b = 1;\nexport type A = 1;' },
      ['a/index.ts: A'],
    ],
    [
      'a second meaning of a documented name',
      { 'a/index.ts': '/** A. */\nexport type A = 1;\nexport const A = 1;' },
      [],
    ],
    [
      'a list',
      { 'a/index.ts': "export { a, type B as C } from './b.ts';", 'a/b.ts': 'export const a = 1;\nexport type B = 1;' },
      ['a/b.ts: a', 'a/b.ts: C'],
    ],
    ['a star', { 'a/index.ts': "export * from './b.ts';", 'a/b.ts': 'export enum E {}' }, ['a/b.ts: E']],
    [
      'a list of its own',
      { 'a/index.ts': 'const a = 1;\n/** B. */\nconst b = 1;\nexport { a, b };' },
      ['a/index.ts: a'],
    ],
  ])('sees %s', (_what, files, bare) => {
    expect(found(files)).toEqual(bare);
  });
});
