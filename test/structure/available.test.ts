import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { endUnrun, type Place } from '../available.ts';
import unavailable from '../unavailable.json' with { type: 'json' };

/** What became of a test that found no disk. */
function outcome(place: Place): string {
  const skip = (reason: string): never => {
    throw new Error(`skipped: ${reason}`);
  };
  try {
    return endUnrun({ skip }, 'a disk', 'mount said no', place);
  } catch (error) {
    return (error as Error).message;
  }
}

test('what cannot be run is a failure under CI=true, and elsewhere is said aloud', () => {
  expect(outcome({ isStrict: true, listed: {} })).toBe(
    'a disk is not available and CI=true: mount said no. Provide it, or list "a disk" in test/unavailable.json with the reason',
  );
  expect(outcome({ isStrict: false, listed: {} })).toBe('skipped: not run for want of a disk: mount said no');
});

test('what is listed with a reason is not run under CI=true either', () => {
  const listed = { 'a disk': 'no right to mount' };
  expect(outcome({ isStrict: true, listed })).toBe(
    'skipped: not run for want of a disk: mount said no (listed: no right to mount)',
  );
});

const root = join(import.meta.dirname, '../..');
const tests = globSync(['test/**/*.ts', 'src/**/*.test.ts'], { cwd: root, exclude: ['test/structure/**'] }).map(
  (path) => ({ path, text: readFileSync(join(root, path), 'utf8') }),
);

test('every reason that is listed is given, for something that a test asks for', () => {
  const strangers = Object.entries(unavailable as Record<string, string>).filter(
    ([what, reason]) => reason.trim() === '' || !tests.some(({ text }) => text.includes(`'${what}'`)),
  );
  expect(strangers).toEqual([]);
});

test('no test skips itself in another way', () => {
  const skipping = /\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|skipIf|runIf|todo|only)\b|\.skip\(|\bskip\(['"`]/;
  const others = tests.filter(({ path, text }) => path !== join('test', 'available.ts') && skipping.test(text));
  expect(tests.length).toBeGreaterThan(40);
  expect(others.map(({ path }) => path)).toEqual([]);
});
