import { type ChildProcess, fork } from 'node:child_process';
import type { Activation, ActivationResult } from '../../common/index.ts';
import { LIMITS, sourceFile, type Wait } from '../../core/index.ts';
import { type FromSandbox, lost, relay, type SandboxOptions, type ToSandbox } from './sandboxes.ts';

/** What a quarantine process is told first. */
export type QuarantineBegin = { kind: 'begin' } & Pick<SandboxOptions, 'bundle' | 'maxCachedRuns'> & {
    failureErrorTypes: readonly string[];
    spinMs: number;
    heapMb: number;
  };

/** To a quarantine process. */
export type ToQuarantine = QuarantineBegin | ToSandbox;

/** An activation that stands in line, and who waits for it. */
interface Waiting {
  activation: Activation;
  settle(result: ActivationResult): void;
}

/** All that a quarantine process sees of this one's environment. */
const ENVIRONMENT = ['NODE_COMPILE_CACHE', 'SystemRoot', 'TEMP', 'TMP', 'TMPDIR'];

/**
 * Activates runs whose code may end the process that runs it, in a process that may be ended: one activation at a time,
 * so that it is certain whose it was. Runs that have not ended one go before those that have. The process is begun when
 * there is something to do and ended when there was nothing for a while.
 */
export class Quarantine {
  readonly #options: SandboxOptions;
  #waiting: Waiting[] = [];
  #current: (Waiting & { n: number }) | undefined;
  #process: ChildProcess | undefined;
  #said = '';
  #reason: string | undefined;
  #isReady = false;
  #next = 1;
  #idle: Wait | undefined;
  /** Runs that have ended a process. */
  readonly #culprits = new Set<string>();

  constructor(options: SandboxOptions) {
    this.#options = options;
  }

  /** Activates a run when its turn comes. A later activation of the same run takes the place of one that waits. */
  activate(activation: Activation): Promise<ActivationResult> {
    return new Promise((settle) => {
      const { runId } = activation;
      this.#waiting = this.#waiting.filter((other) => {
        if (other.activation.runId !== runId || other.activation.readOnly !== activation.readOnly) return true;
        other.settle({ status: 'miss' });
        return false;
      });
      this.#waiting.push({ activation, settle });
      this.#turn();
    });
  }

  evict(runId: string): void {
    this.#post({ kind: 'evict', runId });
  }

  /** Ends the process. What waits is answered as missed. */
  async close(): Promise<void> {
    this.#idle?.clear();
    const waiting = [...this.#waiting.splice(0), ...(this.#current ? [this.#current] : [])];
    this.#current = undefined;
    for (const one of waiting) one.settle({ status: 'miss' });
    await this.#end();
  }

  async #end(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill('SIGKILL');
    await exited;
  }

  #turn(): void {
    if (this.#current) return;
    const fresh = this.#waiting.findIndex(({ activation }) => !this.#culprits.has(activation.runId));
    const [one] = this.#waiting.splice(Math.max(0, fresh), 1);
    this.#idle?.clear();
    if (!one) {
      if (this.#process) this.#idle = this.#options.clock.after(LIMITS.quarantineIdleMs, () => void this.#end());
      return;
    }
    const n = this.#next++;
    this.#current = { ...one, n };
    if (!this.#process) this.#begin();
    this.#post({ kind: 'activate', n, activation: one.activation });
  }

  #begin(): void {
    const { bundle, maxCachedRuns, failureErrorTypes = [], spinMs, heapMb } = this.#options;
    const child = fork(sourceFile('worker/sandbox/quarantine-process'), [], {
      env: quarantineEnvironment(process.env),
      // No inspector, loader or heap option of this process is the child's.
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process = child;
    this.#said = '';
    this.#reason = undefined;
    this.#isReady = false;
    child.stderr?.on('data', (chunk: Buffer) => {
      // V8 says why first and where after that, at length.
      this.#said = (this.#said + chunk.toString()).slice(-LIMITS.quarantineSaidBytes);
      this.#reason ??= reasonOf(this.#said);
    });
    child.on('message', (message: FromSandbox) => this.#receive(message));
    child.on('error', (error: Error) => this.#ended(child, error.message));
    // Not 'exit': what it said last, which is why it ended, has come by then.
    child.on('close', (code, signal) => this.#ended(child, this.#reason ?? `it ended by ${signal ?? `code ${code}`}`));
    this.#post({
      kind: 'begin',
      bundle,
      maxCachedRuns,
      failureErrorTypes,
      spinMs: spinMs ?? LIMITS.sandboxSpinMs,
      heapMb: heapMb ?? 1024,
    });
  }

  #post(message: ToQuarantine): void {
    // A channel that breaks here is a process that ends: 'close' tells.
    this.#process?.send(message, () => undefined);
  }

  #receive(message: FromSandbox): void {
    if (message.kind === 'ready') {
      this.#isReady = true;
      return;
    }
    if (message.kind === 'quiet') return;
    if (message.kind !== 'result') {
      relay(this.#options, message, (answer) => this.#post(answer));
      return;
    }
    if (this.#current?.n !== message.n) return;
    const current = this.#current;
    this.#current = undefined;
    current.settle(message.result);
    this.#turn();
  }

  /** The process is gone, and only one run can have ended it. */
  #ended(child: ChildProcess, why: string): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    const current = this.#current;
    this.#current = undefined;
    if (current && !this.#isReady) {
      const said = this.#said.trim().split('\n').at(-1);
      const message = `the process for workflow code that is run apart cannot be started: ${why}${said ? `, it said: ${said}` : ''}. It is tried again with the task`;
      current.settle(lost('SANDBOX_LOST', message));
    } else if (current) {
      const { runId, type } = current.activation;
      this.#culprits.add(runId);
      if (this.#culprits.size > LIMITS.culpritsMax) this.#culprits.clear();
      const message = `workflow code of "${type}" ended the process that it was run apart in: ${why}. Other runs go on; mend the code and start a worker with it`;
      this.#options.log.warn('a quarantine process was ended by workflow code', { runId, type, why });
      current.settle(lost('SANDBOX_LOST', message));
    }
    this.#turn();
  }
}

/** What is passed on of an environment: nothing that a secret may be in. */
export function quarantineEnvironment(from: Record<string, string | undefined>): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of ENVIRONMENT) if (from[name] !== undefined) passed[name] = from[name];
  return passed;
}

/** V8's own words for why it gave up, among what it says at its end. */
function reasonOf(said: string): string | undefined {
  return /^.*?FATAL ERROR: (.*)$/m.exec(said)?.[1] ?? /^# Fatal error.*\n# (.+)$/m.exec(said)?.[1];
}
