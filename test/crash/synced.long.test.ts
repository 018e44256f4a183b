import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { endUnrun } from '../available.ts';

const ROUNDS = 5;
const ACTS = ['start', 'signal', 'update', 'end'];
const folder = mkdtempSync(join(tmpdir(), 'pleach-synced-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a trace tells, in order. */
type Told = { kind: 'said'; line: string } | { kind: 'sync-begun' | 'sync-ended'; thread: string };

/** Reads the lines of `strace -f -y`; a call that another thread's cuts in two has a line for each half. */
function read(trace: string): Told[] {
  const told: Told[] = [];
  for (const line of trace.split('\n')) {
    const thread = /^\d+/.exec(line)?.[0] ?? '';
    const said = /write\(1(?:<[^>]*>)?, "((?:ask|ack) [a-z]+ \d+)\\n"/.exec(line)?.[1];
    if (said !== undefined) told.push({ kind: 'said', line: said });
    const isWhole = /f(?:data)?sync\(\d+<[^>]*-wal>\)\s+= 0/.test(line);
    if (isWhole || /f(?:data)?sync\(\d+<[^>]*-wal> <unfinished/.test(line)) told.push({ kind: 'sync-begun', thread });
    if (isWhole || /<\.\.\. f(?:data)?sync resumed>\)\s+= 0/.test(line)) told.push({ kind: 'sync-ended', thread });
  }
  return told;
}

/** How many syncs of the log began after one line was said and ended before another. */
function syncsBetween(told: readonly Told[], from: string, to: string): number {
  const begin = told.findIndex((one) => one.kind === 'said' && one.line === from);
  const end = told.findIndex((one) => one.kind === 'said' && one.line === to);
  expect(begin, `"${from}" is in the trace`).toBeGreaterThanOrEqual(0);
  expect(end, `"${to}" is in the trace`).toBeGreaterThan(begin);
  const begun = new Set<string>();
  let syncs = 0;
  for (const one of told.slice(begin, end)) {
    if (one.kind === 'sync-begun') begun.add(one.thread);
    if (one.kind === 'sync-ended' && begun.delete(one.thread)) syncs++;
  }
  return syncs;
}

it('says that something was taken in only after a sync of the log that began when it was asked for', (context) => {
  const tried = spawnSync('strace', ['-f', '-o', join(folder, 'tried'), 'true']);
  if (tried.status !== 0)
    endUnrun(context, 'strace', tried.error?.message ?? `it ended with ${tried.status}: ${String(tried.stderr)}`);
  const trace = join(folder, 'trace');
  const program = fileURLToPath(new URL('./synced-program.ts', import.meta.url));
  const traced = spawnSync(
    'strace',
    ['-f', '-y', '-s', '64', '-e', 'trace=write,fsync,fdatasync', '-o', trace].concat(
      process.execPath,
      program,
      join(folder, 'synced.db'),
      String(ROUNDS),
    ),
    { env: { PATH: process.env['PATH'] ?? '' }, encoding: 'utf8' },
  );
  expect(traced.status, traced.stderr).toBe(0);
  const told = read(readFileSync(trace, 'utf8'));
  const syncs = ACTS.flatMap((act) =>
    Array.from({ length: ROUNDS }, (_, n) => syncsBetween(told, `ask ${act} ${n}`, `ack ${act} ${n}`)),
  );
  process.stdout.write(
    `acknowledgements that were traced: ${syncs.length}, syncs in front of them: ${syncs.join(' ')}\n`,
  );
  expect(syncs.filter((count) => count === 0)).toEqual([]);
});
