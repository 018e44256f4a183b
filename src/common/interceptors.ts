import type { Payload } from './payload.ts';

/** Headers as interceptors see them; they are not run through codecs. */
export type Headers = Record<string, Payload>;

// oxlint-disable typescript/no-explicit-any -- whatever an interceptor's methods take and give
type Method = (...args: any[]) => any;
type WithoutLast<Args> = Args extends [...infer Rest, any] ? Rest : never;
type WithoutNext<M extends Method> = (...args: WithoutLast<Parameters<M>>) => ReturnType<M>;

/** What an interceptor's method is given to go on with: the method itself, without this last parameter. */
export type Next<Interceptor, Name extends keyof Interceptor> = Required<Interceptor>[Name] extends Method
  ? WithoutNext<Required<Interceptor>[Name]>
  : never;
// oxlint-enable typescript/no-explicit-any

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
  type Own = (input: Input, next: (input: Input) => Result) => Result;
  let next = last;
  for (const interceptor of interceptors.toReversed()) {
    const own = interceptor[method] as Own | undefined;
    if (own === undefined) continue;
    const after = next;
    next = (input) => own.call(interceptor, input, after);
  }
  return next;
}
