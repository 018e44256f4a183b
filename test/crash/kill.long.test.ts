import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { replayFile } from '../replay/replay-file.ts';

const KILLS = 25;
const STARTS_PER_SECOND_MIN = 50;
const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));
const program = fileURLToPath(new URL('./kill-program.ts', import.meta.url));

it(`loses nothing and repeats nothing through ${KILLS} random kills under load`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pleach-kill-'));
  const socket = join(folder, 'ledger.sock');
  const lines: string[] = [];
  const heard: (() => void)[] = [];
  const file = openSync(join(folder, 'ledger'), 'a');
  const server = createServer((peer) => {
    let rest = '';
    peer.on('error', () => peer.destroy());
    peer.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop()!;
      for (const part of parts) writeSync(file, `${part}\n`);
      fdatasyncSync(file);
      lines.push(...parts);
      peer.write('\n'.repeat(parts.length));
      for (const hear of heard.splice(0)) hear();
    });
  });
  await new Promise<void>((listening) => server.listen(socket, listening));

  const start = (round: string, mode: string): ChildProcess =>
    spawn(process.execPath, [program, join(folder, 'kill.db'), socket, round, mode], {
      env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '' },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  const ended = (child: ChildProcess) =>
    new Promise<{ code: number | null; signal: string | null }>((done) =>
      child.once('close', (code, signal) => done({ code, signal })),
    );
  const hearing = () => new Promise<void>((resolve) => heard.push(resolve));

  let loadedMs = 0;
  for (let round = 0; round < KILLS; round++) {
    const child = start(String(round), 'start');
    const end = ended(child);
    const from = lines.length;
    while (!lines.slice(from).includes('up')) await hearing();
    const upAt = performance.now();
    // Somewhere within the next stretch of work: after this many lines of the ledger.
    const until = lines.length + 40 + Math.floor(Math.random() * 400);
    while (lines.length < until) await hearing();
    child.kill('SIGKILL');
    expect((await end).signal).toBe('SIGKILL');
    loadedMs += performance.now() - upAt;
  }
  const acknowledged = lines.filter((line) => line.startsWith('ack ')).map((line) => line.slice(4));
  const last = await ended(start('last', acknowledged.join(',')));
  expect(last.code).toBe(0);
  server.close();
  closeSync(file);

  const results = new Map(
    lines
      .filter((line) => line.startsWith('result '))
      .map((line) => [line.split(' ')[1]!, line.split(' ').slice(2).join(' ')]),
  );
  const lost = acknowledged.filter((id) => !results.has(id));
  const begun = lines
    .filter((line) => line.startsWith('begin '))
    .map((line) => line.split(' ').slice(1) as [string, string, string]);
  const furthest = new Map<string, number>();
  const rerun: string[] = [];
  const once = new Map<string, number>();
  const attempts = new Set<string>();
  for (const [id, step, attempt] of begun) {
    const key = `${id} ${step} ${attempt}`;
    if (attempts.has(key)) rerun.push(`${key} twice`);
    attempts.add(key);
    const order = step === 'once' ? 4 : Number(step);
    // A later step begins only when the result of the one before is durable.
    if (order < (furthest.get(id) ?? 0)) rerun.push(key);
    furthest.set(id, Math.max(order, furthest.get(id) ?? 0));
    if (step === 'once') once.set(id, (once.get(id) ?? 0) + 1);
  }
  const over = [...once].filter(([, count]) => count > 1);
  const perSecond = acknowledged.length / (loadedMs / 1000);
  process.stdout.write(
    `kills ${KILLS}, acknowledged ${acknowledged.length} (${perSecond.toFixed(0)}/s), lost ${lost.length}, steps begun ${begun.length}, completed steps run again ${rerun.length}, maximumAttempts exceeded ${over.length}\n`,
  );
  expect(lost).toEqual([]);
  expect(rerun).toEqual([]);
  expect(over).toEqual([]);
  expect(perSecond).toBeGreaterThan(STARTS_PER_SECOND_MIN);
  const replay = await replayFile(join(folder, 'kill.db'), workflowsPath);
  process.stdout.write(`histories replayed ${replay.replayed}\n`);
  expect(replay.differences).toEqual([]);
  expect(replay.replayed).toBeGreaterThanOrEqual(acknowledged.length);
  rmSync(folder, { recursive: true, force: true });
}, 300_000);
