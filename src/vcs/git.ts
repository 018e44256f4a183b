// The one door for running git; nothing else in pleach starts it. Repositories are written by strangers and by agents, so
// whatever a repository's own files could make git execute is shut here, once, for every operation:
//
//   hooks (core.hooksPath), file-system monitor (core.fsmonitor), credential helpers, signing, automatic maintenance and
//   submodule recursion by settings that win over the repository's; ssh commands and password prompts by environment,
//   which wins over configuration too; transports by GIT_ALLOW_PROTOCOL, which wins over `protocol.*` in any spelling.
//
// What cannot be shut by a fixed list (filters, merge drivers, whose names the repository chooses) is looked for before
// the operations that would run them: see `loadCommandKeys`.
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { blotSecrets, GitError, type GitErrorDetails } from './git-error.ts';

/** The most that one git may print, in bytes: a listing of a million long paths fits, a runaway does not fill memory. */
export const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
/** How much of standard error an error keeps, in bytes: git says last what went wrong. */
const STDERR_BYTES_KEPT = 4 * 1024;
/** How long a stopped git may take to remove its lock files before it is killed, in milliseconds. */
const GRACE_MS = 3_000;
/** How long git waits for another writer's lock on a ref, in milliseconds; its own default, 100, loses races under load. */
const REF_LOCK_MS = 2_000;

const settings = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'protocol.ext.allow=never',
  'credential.helper=',
  'commit.gpgSign=false',
  'tag.gpgSign=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'submodule.recurse=false',
  `core.filesRefLockTimeout=${REF_LOCK_MS}`,
].flatMap((setting) => ['-c', setting]);

/** How git is run on this machine. */
export interface GitOptions {
  /** The program; found on PATH unless given. */
  readonly program?: string;
  /** Where programs are found; the PATH of this process unless given. */
  readonly searchPath?: string;
  /** The home folder git sees; none unless given. Its configuration is not read either way. */
  readonly home?: string;
  /** How long a stopped git may take to end by itself before it is killed, in milliseconds; 3,000 unless given. */
  readonly graceMs?: number;
}

/** One run of git. */
export interface RunOptions {
  /** The folder of the repository or worktree; git looks for a repository there and nowhere above. */
  readonly in: string;
  /** Written to git's standard input. */
  readonly input?: string;
  /** Added to the environment: only names that git reads for identity and dates. */
  readonly identity?: Partial<Record<`GIT_${'AUTHOR' | 'COMMITTER'}_${'NAME' | 'EMAIL' | 'DATE'}`, string>>;
  /** Exit codes that are answers and no failures; only 0 unless given. */
  readonly answers?: readonly number[];
  /** The most it may print, in bytes; {@link OUTPUT_BYTES_MAX} unless given. */
  readonly outputBytesMax?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What git answered. */
export interface GitResult {
  readonly stdout: string;
  readonly exitCode: number;
}

/** Runs git. The operations of this room take one, so that a test or a simulator can stand in its place. */
export interface Git {
  /**
   * Runs git once and waits for its end. Arguments reach git as they are: whoever builds them has checked every part
   * that came from outside, and puts `--end-of-options` before it.
   * @throws GIT_MISSING · GIT_NOT_FOUND (no repository there) · GIT_FAILED · GIT_OUTPUT_TOO_LARGE · GIT_ABORTED
   */
  run(args: readonly string[], options: RunOptions): Promise<GitResult>;
}

/** Makes the door to git. Nothing is started or checked before the first run. */
export function openGit(options: GitOptions = {}): Git {
  return { run: (args, run) => runGit(options, args, run) };
}

function environment(options: GitOptions, run: RunOptions): Record<string, string> {
  return {
    PATH: options.searchPath ?? process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: options.home ?? '/dev/null', // no folder: whatever git looks for below it is absent
    LC_ALL: 'C',
    GIT_CEILING_DIRECTORIES: dirname(run.in),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '', // set and empty: core.askPass of the repository is not asked
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes', // wins over core.sshCommand of the repository
    GIT_ALLOW_PROTOCOL: 'file:https:ssh',
    GIT_OPTIONAL_LOCKS: '0',
    ...run.identity,
  };
}

function runGit(options: GitOptions, args: readonly string[], run: RunOptions): Promise<GitResult> {
  const { in: folder, input, answers = [0], outputBytesMax = OUTPUT_BYTES_MAX, signal } = run;
  const details = (more: GitErrorDetails = {}): GitErrorDetails => ({ args: args.map(blotSecrets), ...more });
  if (signal?.aborted === true) {
    return Promise.reject(
      new GitError('GIT_ABORTED', 'git was not started: aborted before', details(), { cause: signal.reason }),
    );
  }
  return new Promise((resolve, reject) => {
    // A group of its own, so that an end reaches git's children (ssh, index-pack) too.
    const child = spawn(options.program ?? 'git', [...settings, '-C', folder, '--no-pager', ...args], {
      cwd: '/',
      env: environment(options, run),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const stdout: Buffer[] = [];
    let stdoutBytes = 0;
    let stderr = Buffer.alloc(0);
    let stopped: GitError | undefined;
    let grace: NodeJS.Timeout | undefined;

    const toGroup = (name: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // already gone is what we want
      }
    };
    const stop = (why: GitError): void => {
      if (stopped !== undefined) return;
      stopped = why;
      toGroup('SIGTERM');
      grace = setTimeout(() => toGroup('SIGKILL'), options.graceMs ?? GRACE_MS);
    };
    const abort = (): void =>
      stop(new GitError('GIT_ABORTED', `git ${args[0]} was stopped: aborted`, details(), { cause: signal?.reason }));
    signal?.addEventListener('abort', abort, { once: true });

    child.stdout.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes <= outputBytesMax) stdout.push(chunk);
      else
        stop(
          new GitError('GIT_OUTPUT_TOO_LARGE', `git ${args[0]} printed more than ${outputBytesMax} bytes`, details()),
        );
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_BYTES_KEPT);
    });
    child.stdin.on('error', () => undefined); // git may end without reading its input; its exit code tells
    child.stdin.end(input ?? '');

    const settle = (): void => {
      clearTimeout(grace);
      signal?.removeEventListener('abort', abort);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      settle();
      const isMissing = error.code === 'ENOENT';
      const message = isMissing
        ? 'git is not installed, or not on PATH: install it'
        : `git did not start: ${error.message}`;
      reject(new GitError(isMissing ? 'GIT_MISSING' : 'GIT_FAILED', message, details(), { cause: error }));
    });
    child.once('close', (exitCode, endedBy) => {
      settle();
      if (stopped !== undefined) reject(stopped);
      else if (exitCode !== null && answers.includes(exitCode)) {
        resolve({ stdout: Buffer.concat(stdout).toString('utf8'), exitCode });
      } else reject(failure(args, folder, exitCode, endedBy, blotSecrets(stderr.toString('utf8').trimEnd()), details));
    });
  });
}

function failure(
  args: readonly string[],
  folder: string,
  exitCode: number | null,
  endedBy: NodeJS.Signals | null,
  stderrTail: string,
  details: (more: GitErrorDetails) => GitErrorDetails,
): GitError {
  const isAbsent = /^fatal: (?:not a git repository|cannot change to )/m.test(stderrTail);
  const how = exitCode === null ? `was ended by ${endedBy}` : `ended with ${exitCode}`;
  const lastWords = stderrTail.split('\n').at(-1);
  return new GitError(
    isAbsent ? 'GIT_NOT_FOUND' : 'GIT_FAILED',
    `git ${args[0]} in ${folder} ${how}: ${lastWords === '' ? 'it said nothing' : lastWords}`,
    details({ stderrTail, ...(exitCode === null ? {} : { exitCode }) }),
  );
}
