import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { firstExample, readmeBlocks } from './readme-blocks.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'pleach-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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

it('every block of the README is one that a test runs, or compares with what was printed', () => {
  expect(readmeBlocks().map(({ language, text }) => language || text.trim())).toEqual([
    'ts',
    'ts',
    'ts', // these here from the source, and in test/pack from the packed package
    'sh', // in test/pack
    'text', // what both print
    'npm start', // in test/docs/readme.long.test.ts
  ]);
});

it('the example of the README runs as it stands and prints what the README says', async () => {
  const { files, output } = firstExample();
  expect(Object.keys(files)).toEqual(['workflows.ts', 'activities.ts', 'main.ts']);

  installPleach(folder);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const { stdout } = await promisify(execFile)(process.execPath, ['main.ts'], { cwd: folder, timeout: 15_000 });

  expect(stdout).toBe(output);
});
