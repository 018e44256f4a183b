// `npm run bench`: the rows of the design's performance table, pleach beside its peers in one run. Machines differ and
// are noisy, so what counts are the ratios, and the cost of one commit on this disk, which is printed with them.
//
//   npm run bench                          every row with the peers, and the CPU budget: some eight minutes
//   npm run bench -- --only throughput     one row
//   npm run bench -- --runs 9               how often each row is run; 5 and, for recovery, 3 unless said
//   npm run bench -- --no-peers            pleach alone; --no-budget, --no-pack leave those out
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printBudget } from './budget.ts';
import { sqliteCommitMs } from './floors.ts';
import { measureRow, medianFigures } from './measure-row.ts';
import type { Figures } from './peers/measure.ts';
import { printRow, printThroughput } from './print.ts';
import { type Given, ROWS } from './rows.ts';
import { dbosSystem, pleachSystem, restateSystem, type System } from './systems.ts';

const here = import.meta.dirname;
const root = join(here, '..');

/** What the design measured of a peer, and the cost of one commit under it; see `warnOfMisconfigured`. */
const KNOWN = { DBOS: { perSecond: 404, commitMs: 0.27 }, Restate: { perSecond: 649, commitMs: 0.15 } };
const SHORTFALL_MAX = 0.3;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string' },
    peers: { type: 'boolean', default: true },
    budget: { type: 'boolean', default: true },
    pack: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const runsAsked = options.runs === undefined ? undefined : Number(options.runs);
if (runsAsked !== undefined && !(Number.isInteger(runsAsked) && runsAsked > 0)) {
  console.error(`--runs takes a whole number from 1 on; this is "${options.runs}".`);
  process.exit(2);
}
const rows = ROWS.filter((row) => options.only === undefined || row.name === options.only);
if (rows.length === 0) {
  console.error(`There is no row "${options.only}"; there are ${ROWS.map((row) => row.name).join(', ')}.`);
  process.exit(2);
}

if (options.peers && !existsSync(join(here, 'node_modules/.package-lock.json'))) {
  console.error('Installing the peers (once, 300 MB)…');
  npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], here);
}
// On the checkout's own disk: a temporary folder may lie in memory, where a sync costs nothing.
mkdirSync(join(root, 'dist'), { recursive: true });
if (options.pack)
  execFileSync(process.execPath, [join(root, 'scripts/run.cjs'), 'scripts/pack.ts'], { cwd: root, stdio: 'ignore' });
// The peers' types are here only when they are, so the bench is not among what `npm run check` reads.
if (options.peers && options.pack) {
  execFileSync(process.execPath, [join(root, 'scripts/run.cjs'), 'tsc', '-p', 'bench', '--noEmit'], {
    cwd: root,
    stdio: 'inherit',
  });
}
const workFolder = mkdtempSync(join(root, 'dist/bench-'));
const systems: System[] = [];
try {
  const program = installPleach();
  const commitMs = sqliteCommitMs(workFolder);
  systems.push(pleachSystem(program, workFolder));
  let peerCommitMs = commitMs;
  if (options.peers) {
    const dbos = await dbosSystem();
    peerCommitMs = dbos.commitMs;
    systems.push(dbos, await restateSystem());
  }
  console.log(
    `one commit, p50: SQLite ${commitMs.toFixed(2)} ms${options.peers ? `, PostgreSQL ${peerCommitMs.toFixed(2)} ms` : ''}`,
  );
  for (const system of systems) console.log(`${system.name}: ${system.durability}`);
  console.log('');
  let missed = 0;
  let judged = 0;
  for (const row of rows) {
    const given: Given = {};
    const runs: Record<string, Figures[]> = {};
    for (const system of systems) {
      if (row.pleachOnly && system.name !== 'pleach') continue;
      const all = await measureRow(row, system, workFolder, runsAsked ?? row.runs);
      runs[system.name] = all;
      given[system.name] = medianFigures(all);
    }
    const verdict = row.judge(given, commitMs);
    if (verdict) judged++;
    if (verdict && !verdict.holds) missed++;
    printRow(row, given, runs, verdict);
    if (row.name === 'throughput') {
      printThroughput(given);
      warnOfMisconfigured(given, { DBOS: peerCommitMs, Restate: commitMs });
    }
  }
  if (options.budget) await printBudget(workFolder, systems[0]!);
  console.log(
    `\n${judged - missed} of ${judged} targets hold${judged < rows.length ? `; ${rows.length - judged} need a peer to be judged` : ''}`,
  );
} finally {
  for (const system of systems) await system.stop();
  rmSync(workFolder, { recursive: true, force: true });
}

/** A peer far below what the design measured, with the disk's speed allowed for, is set up wrongly: no fair ratio. */
function warnOfMisconfigured(given: Given, commitMs: Record<keyof typeof KNOWN, number>): void {
  for (const name of ['DBOS', 'Restate'] as const) {
    const figures = given[name];
    if (!figures) continue;
    const expected = KNOWN[name].perSecond * Math.min(1, KNOWN[name].commitMs / commitMs[name]);
    if (figures['perSecond']! < expected * (1 - SHORTFALL_MAX)) {
      console.log(
        `  ! ${name} is misconfigured, or this machine is busy: ${figures['perSecond']!.toFixed(0)}/s, where ${expected.toFixed(0)}/s are expected at this cost of a commit. Its ratio says nothing`,
      );
    }
  }
}

/** Installs the packed package into a folder of its own, as a user has it, and lays the program beside it. */
function installPleach(): string {
  const folder = join(workFolder, 'pleach');
  mkdirSync(folder);
  const tarball = readdirSync(join(root, 'dist')).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('`npm run pack` wrote no tarball into dist/');
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  npm(
    ['install', join(root, 'dist', tarball), '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'],
    folder,
  );
  for (const name of ['measure.ts', 'pleach.ts', 'pleach-workflows.ts']) {
    cpSync(join(here, 'peers', name), join(folder, name));
  }
  const { version } = JSON.parse(readFileSync(join(folder, 'node_modules/pleach/package.json'), 'utf8')) as {
    version: string;
  };
  console.log(`pleach ${version} on Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model})`);
  return join(folder, 'pleach.ts');
}

function npm(args: string[], cwd: string): void {
  const path = process.env['npm_execpath'];
  execFileSync(path === undefined ? 'npm' : process.execPath, path === undefined ? args : [path, ...args], {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
