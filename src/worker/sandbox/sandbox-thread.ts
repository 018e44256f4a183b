import { parentPort, workerData } from 'node:worker_threads';
import type { WireOutcome } from '../../common/index.ts';
import { assert, type Log, systemClock } from '../../core/index.ts';
import { ActivationRunner } from './runner.ts';
import type { FromSandbox, SandboxThreadData, ToSandbox } from './sandboxes.ts';

/** A sandbox's own thread: workflow code runs here and nothing else does. */
assert(parentPort, 'the sandbox thread is started as a worker thread');
const host = parentPort;
const { bundle, maxCachedRuns, failureErrorTypes, watched } = workerData as SandboxThreadData;
const shared = new Int32Array(watched);
let waiting: FromSandbox[] = [];
let calls = 0;
const locals = new Map<number, (outcome: WireOutcome) => void>();

function say(message: FromSandbox): void {
  waiting.push(message);
  if (waiting.length > 1) return;
  queueMicrotask(() => {
    const batch = waiting;
    waiting = [];
    host.postMessage(batch);
  });
}

const log: Log = {
  debug: (message, fields) => say({ kind: 'log', level: 'debug', message, fields }),
  info: (message, fields) => say({ kind: 'log', level: 'info', message, fields }),
  warn: (message, fields) => say({ kind: 'log', level: 'warn', message, fields }),
  error: (message, fields) => say({ kind: 'log', level: 'error', message, fields }),
};

let turning: Promise<void> | undefined;
const numberOf = new Map<string, number>();

const runner = new ActivationRunner({
  bundle,
  log,
  clock: systemClock,
  maxCachedRuns,
  failureErrorTypes,
  runLocalActivity: (activity) =>
    new Promise((resolve) => {
      const call = ++calls;
      locals.set(call, resolve);
      say({ kind: 'local', call, activity });
    }),
  cancelLocalActivity: (runId, seq) => say({ kind: 'local-cancel', runId, seq }),
  localResolved: (runId, seq, attempt, outcome) => say({ kind: 'local-resolved', runId, seq, attempt, outcome }),
  watch: (runId) => Atomics.store(shared, 0, runId === undefined ? 0 : (numberOf.get(runId) ?? 0)),
  // All activations of one message share a turn, and their results a message.
  turn: () => {
    turning ??= new Promise((resolve) => {
      setImmediate(() => {
        turning = undefined;
        resolve();
      });
    });
    return turning;
  },
});

host.on('message', (batch: ToSandbox[]) => {
  for (const message of batch) {
    switch (message.kind) {
      case 'activate': {
        const { n, activation } = message;
        numberOf.set(activation.runId, n);
        void runner.run(activation).then((result) => {
          // A later activation of the run may be under way by now, and is watched by its own number.
          if (numberOf.get(activation.runId) === n) numberOf.delete(activation.runId);
          say({ kind: 'result', n, result });
        });
        break;
      }
      case 'evict':
        runner.evict(message.runId);
        break;
      case 'local-done': {
        const resolve = locals.get(message.call);
        locals.delete(message.call);
        resolve?.(message.outcome);
        break;
      }
    }
  }
});

say({ kind: 'ready' });
