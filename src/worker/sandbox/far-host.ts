import type { WireOutcome } from '../../common/index.ts';
import type { Log } from '../../core/index.ts';
import type { RunnerOptions } from './runner.ts';
import type { FromSandbox } from './sandboxes.ts';

/** The worker as a sandbox sees it that lies in another thread or process: everything is said across a channel. */
export interface FarHost extends Pick<
  RunnerOptions,
  'log' | 'runLocalActivity' | 'cancelLocalActivity' | 'localResolved'
> {
  /** Takes the worker's word that a local activity has ended. */
  localDone: (call: number, outcome: WireOutcome) => void;
}

/** @param say sends a message to the worker */
export function farHost(say: (message: FromSandbox) => void): FarHost {
  const locals = new Map<number, (outcome: WireOutcome) => void>();
  let calls = 0;
  const saying =
    (level: keyof Log): Log['info'] =>
    (message, fields) =>
      say({ kind: 'log', level, message, fields });
  return {
    log: { debug: saying('debug'), info: saying('info'), warn: saying('warn'), error: saying('error') },
    runLocalActivity: (activity) =>
      new Promise((resolve) => {
        const call = ++calls;
        locals.set(call, resolve);
        say({ kind: 'local', call, activity });
      }),
    cancelLocalActivity: (runId, seq) => say({ kind: 'local-cancel', runId, seq }),
    localResolved: (runId, seq, attempt, outcome) => say({ kind: 'local-resolved', runId, seq, attempt, outcome }),
    localDone: (call, outcome) => {
      const resolve = locals.get(call);
      locals.delete(call);
      resolve?.(outcome);
    },
  };
}
