import { expect } from 'vitest';
import { shown } from '../../src/common/index.ts';
import { type ErrorCode, PleachError } from '../../src/core/index.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- any class of errors, whatever its constructor takes
type ErrorClass = abstract new (...args: any[]) => Error;

/** One call with a bad input, and what must become of it. */
export interface Trial {
  readonly value: unknown;
  readonly call: () => unknown;
  /** The class, or the code, of the error that must come; undefined where any value is taken. */
  readonly as: ErrorClass | ErrorCode | undefined;
  /** The operation or field and what it may be. */
  readonly message: RegExp | undefined;
}

/** The trials of one exported thing, made when the room is there to try them in. */
export type Row<Room = undefined> = (room: Room) => Trial[];

/** Calls that must be refused: by that error, with that message, which also shows the value. */
export function refuses(
  as: ErrorClass | ErrorCode,
  message: RegExp,
  values: readonly unknown[],
  call: (value: never) => unknown,
): Trial[] {
  return values.map((value) => ({ value, call: () => call(value as never), as, message }));
}

/** Calls that must be taken: the function is for any value. */
export function takes(values: readonly unknown[], call: (value: never) => unknown): Trial[] {
  return values.map((value) => ({ value, call: () => call(value as never), as: undefined, message: undefined }));
}

/** A circle. */
export const circle: unknown[] = [];
circle.push(circle);

/** An object whose every reading throws. */
export const trap = Object.defineProperty({}, 'name', {
  enumerable: true,
  get() {
    throw new RangeError('a getter of the value threw');
  },
});

/** A name longer than any may be. */
export const tooLong = 'x'.repeat(1001);

/** What is no text that names something. */
export const noNames: readonly unknown[] = [null, '', 5, Number.NaN, Symbol('s'), {}, circle, trap, tooLong];
/** What is no text. */
export const noTexts: readonly unknown[] = [null, 5, Number.NaN, Symbol('s'), {}, circle, trap];
/** What is no length of time. */
export const noDurations: readonly unknown[] = [
  null,
  Number.NaN,
  Infinity,
  1e300,
  '',
  'soon',
  '10 parsecs',
  '9'.repeat(400),
  5n,
  {},
  circle,
  trap,
];
/** What is no object of options. */
export const noOptions: readonly unknown[] = [null, 5, 'text', true, Symbol('s'), circle];
/** What is no function. */
export const noFunctions: readonly unknown[] = [undefined, null, 5, 'text', {}, circle, trap];
/** One of every sort. */
export const anything: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  -1,
  1e300,
  5n,
  '',
  tooLong,
  Symbol('s'),
  {},
  circle,
  trap,
  () => 1,
];

/** What the engine of the language says when code stumbles; no reader can do anything with it. */
export const STUMBLES =
  /Cannot (read|set|convert|destructure)|is not a function|is not iterable|is not a constructor|undefined is not|must be of type|must be an instance/;

/** Runs a trial and holds it to what it must come to. A call that does not end within 5 s fails. */
export async function hold(trial: Trial): Promise<void> {
  const { as, message, value } = trial;
  const about = `given ${shown(value)}`;
  const end = await ended(trial.call);
  if (as === undefined) {
    expect(end.error, about).toBeUndefined();
    return;
  }
  const { error } = end;
  expect(error, `${about}: nothing was refused, it gave ${shown(end.value)}`).toBeInstanceOf(Error);
  const { message: said } = error as Error;
  if (typeof as === 'string') {
    expect(error, `${about}: ${said}`).toBeInstanceOf(PleachError);
    expect((error as PleachError).code, about).toBe(as);
  } else expect(error, `${about}: ${said}`).toBeInstanceOf(as);
  expect(said, about).not.toMatch(STUMBLES);
  expect(said, about).toMatch(message!);
  expect(showsValue(said, value), `${about}: the message does not show it: ${said}`).toBe(true);
}

function showsValue(said: string, value: unknown): boolean {
  if (value === undefined) return /missing|undefined/.test(said);
  if (typeof value === 'string' && value.length > 80) return said.includes(`${value.length}`) || said.includes('…');
  if (Array.isArray(value) && value !== circle && value.some((one) => showsValue(said, one))) return true;
  return said.includes(shown(value)) || (typeof value === 'string' && said.includes(value));
}

async function ended(call: () => unknown): Promise<{ value?: unknown; error?: unknown }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the call did not end within 5 s')), 5000);
  });
  try {
    return { value: await Promise.race([(async () => call())(), late]) };
  } catch (error) {
    return { error: error ?? new Error(`${String(error)} was thrown`) };
  } finally {
    clearTimeout(timer);
  }
}
