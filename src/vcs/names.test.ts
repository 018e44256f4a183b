import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  branchRef,
  folderName,
  requireBranchName,
  requireObjectId,
  requireRef,
  requireRevision,
  requireSource,
} from './names.ts';

const refused = expect.objectContaining({ code: 'GIT_NAME_REFUSED' }) as Error;

test.each([
  'main',
  'feature/a-b',
  'v1.2',
  'ünïcode/名前',
  'a@b',
  '#12',
  'HEADER',
  "quote'",
  '$(x)',
  'a;b',
  'x'.repeat(200),
])('the branch name %j is taken as it is', (name) => {
  expect(requireBranchName(name)).toBe(name);
  expect(requireRef(branchRef(name))).toBe(`refs/heads/${name}`);
});

test.each([
  '',
  '-',
  '--upload-pack=touch canary',
  '-b',
  'refs/heads/main',
  'REFS/heads/main',
  'refs',
  'HEAD',
  'head',
  'MERGE_HEAD',
  'a b',
  'a\nb',
  'a\0b',
  'a\u007fb',
  'a..b',
  '../../etc/passwd',
  '@',
  '@{-1}',
  'a@{1}',
  'a/',
  '/a',
  'a//b',
  '.a',
  'a/.b',
  'a.lock',
  'a.lock/b',
  'a.LOCK',
  'a.',
  'a~1',
  'a^',
  'a:b',
  'a?',
  'a*',
  'a[b',
  'a\\b',
  '\ud800',
  'x'.repeat(201),
])('the branch name %j is refused', (name) => {
  expect(() => requireBranchName(name)).toThrow(refused);
});

test('git takes every branch name that we take', () => {
  const piece = fc.constantFrom(
    'a',
    'B',
    '7',
    '/',
    '.',
    '-',
    '@',
    '{',
    '}',
    '~',
    ' ',
    '..',
    '.lock',
    'refs',
    '\\',
    'é',
    '\n',
    '*',
  );
  const name = fc.oneof(
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    fc.string({ unit: 'binary' }),
  );
  let taken = 0;
  fc.assert(
    fc.property(name, (text) => {
      try {
        requireBranchName(text);
      } catch {
        return; // stricter than git is allowed
      }
      taken += 1;
      const { status } = spawnSync('git', ['check-ref-format', '--branch', text], { cwd: '/' });
      expect(status, JSON.stringify(text)).toBe(0);
    }),
    { numRuns: 400 },
  );
  expect(taken).toBeGreaterThan(20);
});

test('a folder is named by letters, digits and hyphens only, whatever the title', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('../..', '/etc', 'CON', '~', 'a\0b', '-rf')),
      (title) => {
        expect(folderName(title, 'k3x9')).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*-k3x9$/);
        expect(folderName(title, 'k3x9').length).toBeLessThan(64);
      },
    ),
  );
  expect(folderName('Fix the Ünicode bug!', 'k3x9')).toBe('fix-the-u-nicode-bug-k3x9');
  for (const id of ['', 'abc', '../x', 'ABCD', 'a-b-c', 'a'.repeat(41)]) {
    expect(() => folderName('a', id)).toThrow(refused);
  }
});

test('hashes and revisions have their form', () => {
  expect(requireObjectId('a'.repeat(40))).toHaveLength(40);
  expect(requireObjectId('0'.repeat(64))).toHaveLength(64);
  for (const text of ['', 'abc', 'A'.repeat(40), `-${'a'.repeat(39)}`, `${'a'.repeat(40)}\n`]) {
    expect(() => requireObjectId(text)).toThrow(refused);
  }
  expect(requireRevision('main~2')).toBe('main~2');
  for (const text of ['', '--all', 'a\nb', 'a\0']) expect(() => requireRevision(text)).toThrow(refused);
  for (const text of ['main', 'refs/heads', 'refs/heads/', 'refs//a', 'refs/heads/-x', 'refs/heads/a\nb']) {
    expect(() => requireRef(text)).toThrow(refused);
  }
});

test('a clone comes from an absolute path, https or ssh, and from nothing else', () => {
  for (const source of ['/srv/repo with space', 'https://example.org/a.git', 'ssh://git@example.org:22/a.git']) {
    expect(requireSource(source)).toBe(source);
  }
  for (const source of [
    'repo',
    '../repo',
    '-u touch canary',
    '--upload-pack=x',
    'ext::sh -c touch% canary',
    'EXT::x',
    'file:///srv/repo',
    'http://example.org/a',
    'git://example.org/a',
    'git@example.org:a.git',
    'ssh://-oProxyCommand=touch/a',
    'ssh://-oX@example.org/a',
    'ssh://%2doX@example.org/a',
    'https://me:secret@example.org/a',
    'https://token@example.org/a',
    'https://example.org/a b',
    '/srv/a\0b',
    'https://',
  ]) {
    const error: unknown = expect.objectContaining({
      code: 'GIT_URL_REFUSED',
      message: expect.not.stringContaining('secret') as string,
    });
    expect(() => requireSource(source), source).toThrow(error as Error);
  }
});
