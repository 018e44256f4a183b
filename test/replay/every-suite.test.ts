import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

it('every suite that runs workflows replays the histories that it has made', () => {
  const suites = globSync(['test/**/*.test.ts', 'src/**/*.test.ts'], { cwd: root })
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    // Behind a played kernel nothing makes a history.
    .filter(({ text }) => !/\bnew FakeKernel\(/.test(text))
    .filter(({ text }) => /\bWorker\.create\(|\bopenSuite\(|\bnew Place\(\)/.test(text));
  expect(suites.length).toBeGreaterThan(8);
  // `Place` replays its file when it is cleared.
  const replays = /\bexpectSame(?:InFile)?\(|\breplayFile\(|\brunReplayHistory\(|\b(?:place\.clear|suite\.close)\(/;
  expect(suites.filter(({ text }) => !replays.test(text)).map(({ path }) => path)).toEqual([]);
});
