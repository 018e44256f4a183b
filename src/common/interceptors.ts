import type { Payload } from './payload.ts';

/** Headers as interceptors see them; they are not run through codecs. */
export type Headers = Record<string, Payload>;

/** What an interceptor's method is given to go on with: the method itself, without this last parameter. */
export type Next<Interceptor, Method extends keyof Interceptor> =
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the method takes before `next`
  Required<Interceptor>[Method] extends (...args: [...infer Args, any]) => infer Result
    ? (...args: Args) => Result
    : never;

/**
 * Puts interceptors in front of what a method does, the first of them outermost.
 * @param interceptors those that lack the method are passed over
 * @param last what is done when the last interceptor goes on
 */
export function composeInterceptors<Interceptor extends object, Input, Result>(
  interceptors: readonly Interceptor[],
  method: keyof Interceptor,
  last: (input: Input) => Result,
): (input: Input) => Result {
  type Method = (input: Input, next: (input: Input) => Result) => Result;
  let next = last;
  for (const interceptor of interceptors.toReversed()) {
    const own = interceptor[method] as Method | undefined;
    if (own === undefined) continue;
    const after = next;
    next = (input) => own.call(interceptor, input, after);
  }
  return next;
}
