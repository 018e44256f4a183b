import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Each place where a page names a test: `test/….ts` › "a sentence", with › "another" for more of the same file. */
function namedTests(page: string): { file: string; name: string }[] {
  const named: { file: string; name: string }[] = [];
  const flat = page.replaceAll(/\s+/g, ' ');
  for (const [, file = '', names = ''] of flat.matchAll(
    /`((?:test|src)\/[^`]+\.test\.ts)`((?:(?: and)? › "[^"]+")+)/g,
  )) {
    for (const [, name = ''] of names.matchAll(/"([^"]+)"/g)) named.push({ file, name });
  }
  return named;
}

for (const page of ['ARCHITECTURE.md', 'docs/guarantees.md']) {
  it(`every test that ${page} names is there`, () => {
    const named = namedTests(readFileSync(join(root, page), 'utf8'));
    expect(named.length).toBeGreaterThan(5);
    const missing = named.filter(({ file, name }) => !readFileSync(join(root, file), 'utf8').includes(name));
    expect(missing).toEqual([]);
  });
}
