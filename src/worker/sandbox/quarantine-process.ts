import type { WireOutcome } from '../../common/index.ts';
import { assert, type Log, systemClock } from '../../core/index.ts';
import type { QuarantineBegin, ToQuarantine } from './quarantine.ts';
import { culpritResult, type EndedFor, type FromSandbox, SandboxThread } from './sandboxes.ts';

/**
 * A quarantine process: an ordinary watched sandbox thread behind a channel to the worker's process. Code that spins or
 * fills its heap ends the thread, and is answered for from here; what makes V8 abort ends this process and no other.
 */
const locals = new Map<number, (outcome: WireOutcome) => void>();
let calls = 0;
let sandbox: { thread: SandboxThread; begin: QuarantineBegin; endedFor: EndedFor } | undefined;

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

function begin(given: QuarantineBegin): void {
  const { kind: _kind, ...options } = given;
  const thread = new SandboxThread(
    {
      ...options,
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
      localResolved: (runId, seq, attempt, outcome) => say({ kind: 'local-resolved', runId, seq, attempt, outcome }),
    },
    (_runId, why) => {
      if (sandbox) sandbox.endedFor = why;
    },
  );
  sandbox = { thread, begin: given, endedFor: 'SANDBOX_LOST' };
}

function receive(message: ToQuarantine): void {
  if (message.kind === 'begin') {
    begin(message);
    return;
  }
  assert(sandbox, 'a quarantine process is told its bundle first');
  const held = sandbox;
  switch (message.kind) {
    case 'activate': {
      const { n, activation } = message;
      void held.thread.activate(activation).then((result) => {
        const told = result === 'culprit' ? culpritResult(held.begin, activation.type, held.endedFor) : result;
        say({ kind: 'result', n, result: told });
      });
      return;
    }
    case 'local-done': {
      const resolve = locals.get(message.call);
      locals.delete(message.call);
      resolve?.(message.outcome);
      return;
    }
    default:
      held.thread.post(message);
  }
}

process.on('message', receive);
// The worker's process is gone, however it went.
process.on('disconnect', () => process.exit());
say({ kind: 'ready' });
