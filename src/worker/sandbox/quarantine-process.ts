import { assert, systemClock } from '../../core/index.ts';
import { farHost } from './far-host.ts';
import type { QuarantineBegin, ToQuarantine } from './quarantine.ts';
import { culpritResult, type EndedFor, type FromSandbox, SandboxThread } from './sandboxes.ts';

/**
 * A quarantine process: an ordinary watched sandbox thread behind a channel to the worker's process. Code that spins or
 * fills its heap ends the thread, and is answered for from here; what makes V8 abort ends this process and no other.
 */
let sandbox: { thread: SandboxThread; begin: QuarantineBegin; endedFor: EndedFor } | undefined;

function say(message: FromSandbox): void {
  // A channel that is broken has lost its other end: 'disconnect' ends this process.
  process.send?.(message, () => undefined);
}

const { localDone, ...host } = farHost(say);

function begin(given: QuarantineBegin): void {
  const { kind: _kind, ...options } = given;
  const thread = new SandboxThread(
    {
      ...options,
      ...host,
      clock: systemClock,
      threads: 1,
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
    case 'local-done':
      localDone(message.call, message.outcome);
      return;
    default:
      held.thread.post(message);
  }
}

process.on('message', receive);
// The worker's process is gone, however it went.
process.on('disconnect', () => process.exit());
say({ kind: 'ready' });
