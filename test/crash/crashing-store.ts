import { appendFileSync } from 'node:fs';
import type { Store } from '../../src/store/index.ts';

/**
 * Counts the calls of a store and ends the process at one of them, before or after it: a real end, by SIGKILL, so that
 * nothing is flushed, closed or said. `PLEACH_CRASH_AT` is `<number>:before` or `<number>:after`; `PLEACH_CRASH_LOG` is
 * a file to which each call's name is written.
 */
export function wrapStore(store: Store): Store {
  const [at, when] = (process.env['PLEACH_CRASH_AT'] ?? '0:never').split(':');
  const log = process.env['PLEACH_CRASH_LOG'];
  let calls = 0;
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      // Only what answers is a call to the database.
      if (typeof value !== 'function' || key === 'hint' || key === 'onHint') return value;
      return async (...args: unknown[]) => {
        calls++;
        const mine = calls;
        if (log) appendFileSync(log, `${String(key)}\n`);
        if (mine === Number(at) && when === 'before') process.kill(process.pid, 'SIGKILL');
        const answer: unknown = await (value as (...given: unknown[]) => unknown).apply(target, args);
        if (mine === Number(at) && when === 'after') process.kill(process.pid, 'SIGKILL');
        return answer;
      };
    },
  });
}
