import { assert, type Log, systemClock } from '../../core/index.ts';
import type { WireOutcome } from '../../common/index.ts';
import type { ToQuarantine } from './quarantine.ts';
import { type FromSandbox, SandboxThread } from './sandboxes.ts';

/**
 * A quarantine process: an ordinary watched sandbox thread behind a channel to the worker's process. Code that spins or
 * fills its heap ends the thread, and is answered for from here; what makes V8 abort ends this process and no other.
 */
const locals = new Map<number, (outcome: WireOutcome) => void>();
let calls = 0;
let sandbox: SandboxThread | undefined;

function say(message: FromSandbox): void {
  // A channel that is broken has lost its other end: 'disconnect' ends this process.
  process.send?.(message, () => undefined);
}

const log: Log = {
  debug: (message, fields) => say({ kind: 'log', level: 'debug', message, fields }),
  info: (message, fields) => say({ kind: 'log', level: 'info', message, fields }),
  warn: (message, fields) => say({ kind: 'log', level: 'warn', message, fields }),
  error: (message, fields) => say({ kind: 'log', level: 'error', message, fields }),
};

function receive(message: ToQuarantine): void {
  switch (message.kind) {
    case 'begin': {
      const { kind: _kind, ...given } = message;
      sandbox = new SandboxThread(
        {
          ...given,
          log,
          clock: systemClock,
          threads: 1,
          runLocalActivity: (activity) =>
            new Promise((resolve) => {
              const call = ++calls;
              locals.set(call, resolve);
              say({ kind: 'local', call, activity });
            }),
          cancelLocalActivity: (runId, seq) => say({ kind: 'local-cancel', runId, seq }),
          localResolved: (runId, seq, attempt, outcome) =>
            say({ kind: 'local-resolved', runId, seq, attempt, outcome }),
        },
        () => undefined,
      );
      return;
    }
    case 'activate': {
      const { n, activation } = message;
      assert(sandbox, 'an activation before the bundle');
      void sandbox.activate(activation).then((result) => say({ kind: 'result', n, result }));
      return;
    }
    case 'evict':
      sandbox?.post(message);
      return;
    case 'local-done': {
      const resolve = locals.get(message.call);
      locals.delete(message.call);
      resolve?.(message.outcome);
      return;
    }
  }
}

process.on('message', receive);
// The worker's process is gone, however it went.
process.on('disconnect', () => process.exit());
say({ kind: 'ready' });
