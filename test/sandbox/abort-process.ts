import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { RunDescription } from '../../src/contract/index.ts';
import { expectSameInFile } from '../replay/replay-file.ts';
import type { Ask } from './abort-program.ts';

const program = fileURLToPath(new URL('./abort-program.ts', import.meta.url));
type Blocked = NonNullable<RunDescription['blocked']>;
type Question = Ask extends infer A ? (A extends Ask ? Omit<A, 'id'> : never) : never;

/** A process with a worker, asked from here. */
export class Program {
  readonly child: ChildProcess;
  readonly up: Promise<void>;
  /** How it ended: its exit code, or the signal. */
  readonly ended: Promise<number | string>;
  said = '';
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #asked = 0;

  constructor(file: string, workflows: string) {
    this.child = spawn(process.execPath, [program, file, workflows], {
      env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const up = Promise.withResolvers<void>();
    this.up = up.promise;
    let rest = '';
    this.child.stdout!.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const answer = JSON.parse(line) as { up?: true; id: number; value?: unknown; error?: string };
        if (answer.up) up.resolve();
        else if (answer.error === undefined) this.#open.get(answer.id)?.resolve(answer.value);
        else this.#open.get(answer.id)?.reject(new Error(answer.error));
      }
    });
    this.child.stderr!.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    this.child.stdin!.on('error', () => undefined);
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code, signal) => {
        const how = signal ?? code ?? -1;
        const error = new Error(`the process ended by ${how}: ${this.said}`);
        for (const waiting of this.#open.values()) waiting.reject(error);
        up.reject(error);
        resolve(how);
      }),
    );
    // Whoever waits for it hears of it; not everybody does.
    this.up.catch(() => undefined);
  }

  ask<T>(question: Question): Promise<T> {
    const id = ++this.#asked;
    this.child.stdin!.write(`${JSON.stringify({ id, ...question })}\n`);
    return new Promise<unknown>((resolve, reject) => this.#open.set(id, { resolve, reject })) as Promise<T>;
  }

  /** Waits until a run's task has failed. */
  async blocked(workflowId: string): Promise<Blocked> {
    for (;;) {
      const blocked = await this.ask<Blocked | undefined>({ act: 'blocked', workflowId });
      if (blocked) return blocked;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async close(): Promise<number | string> {
    this.child.stdin!.end();
    return this.ended;
  }
}

/** A folder with a database file, and the processes on it. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'pleach-abort-'));
  readonly file = join(this.folder, 'runs.db');
  readonly #programs: Program[] = [];

  async run(workflows: string): Promise<Program> {
    const started = new Program(this.file, workflows);
    this.#programs.push(started);
    await started.up;
    return started;
  }

  async clear(): Promise<void> {
    for (const one of this.#programs) {
      one.child.kill('SIGKILL');
      await one.ended;
    }
    // What broken code asked for before it broke is what mended code asks for.
    await expectSameInFile(this.file, fileURLToPath(new URL('./fixtures/mended-workflows.js', import.meta.url)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const INNOCENTS = [31, 32, 33, 34, 35, 36, 37, 38];
export const CULPRIT = 'the-culprit';
/** How a process ends that V8 gave up. */
export const ABORTED = /^SIG(ABRT|TRAP|ILL)$/;
/** What is said of a run that ended its quarantine. */
export const APART = /ended the process that it was run apart in: .*(heap|allocation|size error)/i;

/** Starts runs that only want to go on. */
export async function startInnocents(on: Program): Promise<void> {
  await Promise.all(INNOCENTS.map((n) => on.ask({ act: 'start', workflowId: `i-${n}`, type: 'innocent', args: [n] })));
}

/** Waits for all of them. @throws Error where one came to something else */
export async function innocentsEnd(on: Program): Promise<void> {
  const results = await Promise.all(INNOCENTS.map((n) => on.ask<number>({ act: 'result', workflowId: `i-${n}` })));
  if (results.join() !== INNOCENTS.join()) throw new Error(`the innocent runs came to ${results.join()}`);
}

/**
 * A workflow of this type makes V8 abort the process that it runs in: the engine that is started again blocks its run,
 * apart, and ends all others; mended code lets it end.
 * @returns what the culprit came to
 */
export async function endOnceAndHeal(place: Place, type: string): Promise<unknown> {
  const first = await place.run('broken-workflows.js');
  await startInnocents(first);
  await first.ask({ act: 'start', workflowId: CULPRIT, type, args: [] });
  expect(await first.ended).toMatch(ABORTED);

  const second = await place.run('broken-workflows.js');
  const blocked = await second.blocked(CULPRIT);
  expect(blocked).toMatchObject({ cause: 'SANDBOX_LOST', failure: { type: 'SandboxLost' } });
  expect(blocked.failure.message).toMatch(APART);
  await innocentsEnd(second);
  expect(await second.close()).toBe(0);

  // That it is blocked is remembered: after a clean end, too, it is run apart and ends nobody.
  const third = await place.run('broken-workflows.js');
  await third.ask({ act: 'start', workflowId: 'late', type: 'innocent', args: [3] });
  expect(await third.ask({ act: 'result', workflowId: 'late' })).toBe(3);
  expect(await third.close()).toBe(0);

  const mended = await place.run('mended-workflows.js');
  const result = await mended.ask({ act: 'result', workflowId: CULPRIT });
  expect(await mended.close()).toBe(0);
  return result;
}
