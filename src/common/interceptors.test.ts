import { expect, it } from 'vitest';
import { composeInterceptors, type Next } from './interceptors.ts';

interface Interceptor {
  act?: (input: string, next: Next<Interceptor, 'act'>) => string;
  other?: (input: string, next: Next<Interceptor, 'other'>) => string;
}

const around = (name: string): Interceptor => ({ act: (input, next) => `${name}(${next(`${input}${name}`)})` });

it('the first interceptor is the outermost, and one without the method is passed over', () => {
  const act = composeInterceptors(
    [around('a'), { other: () => 'never' }, around('b')],
    'act',
    (input: string) => `[${input}]`,
  );
  expect(act('x')).toBe('a(b([xab]))');
});

it('none at all leave what is done as it is', () => {
  const last = (input: string): string => input;
  expect(composeInterceptors<Interceptor, string, string>([], 'act', last)).toBe(last);
});

it('an interceptor may be an object with state of its own', () => {
  class Counting implements Interceptor {
    count = 0;
    act(input: string, next: Next<Interceptor, 'act'>): string {
      this.count++;
      return next(input);
    }
  }
  const counting = new Counting();
  const act = composeInterceptors<Interceptor, string, string>([counting], 'act', (input) => input);
  act('x');
  act('y');
  expect(counting.count).toBe(2);
});
