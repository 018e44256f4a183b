import { spawn } from 'node:child_process';
import { messageOf, PleachError } from './errors.ts';

/** A program to run: never through a shell. */
export interface ExecRequest {
  program: string;
  args: readonly string[];
  /** An absolute path. */
  folder: string;
  /** The whole environment of the program; nothing of this process's own is added. */
  env: Readonly<Record<string, string>>;
  /** Ends it, and all it started, after so long. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** The most of its output that is kept, in bytes; the rest is dropped. Default 1 MB. */
  outputBytesMax?: number;
}

/** How a program ended. */
export interface ExecResult {
  exitCode: number | undefined;
  /** The signal that ended it. */
  signal: string | undefined;
  stdout: string;
  stderr: string;
}

/** Starts programs. */
export interface Exec {
  /** @throws UNEXPECTED where the program cannot be started; an exit code other than 0 is an answer */
  run(request: ExecRequest): Promise<ExecResult>;
}

/** Programs of this host, each in a process group of its own, so that what it starts ends with it. */
export const systemExec: Exec = {
  run(request) {
    return new Promise((resolve, reject) => {
      const child = spawn(request.program, request.args, {
        cwd: request.folder,
        env: { ...request.env },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: process.platform !== 'win32',
      });
      const kept = { stdout: '', stderr: '' };
      const bytesMax = request.outputBytesMax ?? 1024 * 1024;
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].on('data', (chunk: Buffer) => {
          if (kept[name].length < bytesMax) kept[name] += chunk.toString('utf8');
        });
      }
      const end = (): void => {
        if (child.pid === undefined || child.exitCode !== null) return;
        try {
          process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
        } catch {
          // It has ended by itself between the look and the signal.
        }
      };
      const timer = request.timeoutMs === undefined ? undefined : setTimeout(end, request.timeoutMs);
      request.signal?.addEventListener('abort', end, { once: true });
      child.on('error', (error) => {
        clearTimeout(timer);
        reject(
          new PleachError(
            'UNEXPECTED',
            `${request.program} cannot be started: ${messageOf(error)}`,
            { program: request.program },
            { cause: error },
          ),
        );
      });
      child.on('close', (exitCode, signal) => {
        clearTimeout(timer);
        request.signal?.removeEventListener('abort', end);
        resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined, ...kept });
      });
    });
  },
};
