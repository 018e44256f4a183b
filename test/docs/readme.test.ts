import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'pleach-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The fenced blocks of a page, with their languages, in order. */
function blocksOf(page: string): { language: string; text: string }[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text }));
}

/** Lays a `pleach` into the folder whose subpaths are the entries of the source. */
function installPleach(into: string): void {
  const folderOfPackage = join(into, 'node_modules/pleach');
  mkdirSync(folderOfPackage, { recursive: true });
  for (const subpath of ['workflow', 'activity', 'client', 'worker', 'common']) {
    const entry = pathToFileURL(join(root, 'src/entry', `${subpath}.ts`)).href;
    writeFileSync(join(folderOfPackage, `${subpath}.js`), `export * from ${JSON.stringify(entry)};\n`);
  }
  writeFileSync(
    join(folderOfPackage, 'package.json'),
    JSON.stringify({ name: 'pleach', version: '0.0.0', type: 'module', exports: { './*': './*.js' } }),
  );
}

it('the example of the README runs as it stands and prints what the README says', async () => {
  const blocks = blocksOf(readFileSync(join(root, 'README.md'), 'utf8'));
  const files = blocks.filter(({ language }) => language === 'ts');
  const names = files.map(({ text }) => /^\/\/ (\S+)\n/.exec(text)?.[1]);
  expect(names).toEqual(['workflows.ts', 'activities.ts', 'main.ts']);
  const output = blocks.find(({ language }) => language === 'text')?.text;

  installPleach(folder);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  files.forEach(({ text }, index) => writeFileSync(join(folder, names[index] ?? ''), text));
  const { stdout } = await promisify(execFile)(process.execPath, ['main.ts'], { cwd: folder, timeout: 15_000 });

  expect(stdout).toBe(output);
});
