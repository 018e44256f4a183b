import unavailable from './unavailable.json' with { type: 'json' };

/** What a test of vitest gives to end itself as not run. */
interface Skipping {
  skip(reason: string): never;
}

/** Where the tests run, as far as it decides whether something may be missing. */
export interface Place {
  /** Whether it is the place that everything must run at: `CI=true`. */
  readonly isStrict: boolean;
  /** What is known to be missing there, by its name, with the reason: `test/unavailable.json`. */
  readonly listed: Readonly<Record<string, string>>;
}

const here: Place = { isStrict: process.env['CI'] === 'true', listed: unavailable };

/**
 * Ends a test that cannot be run here, and says so aloud. Under `CI=true` that is a failure, unless
 * `test/unavailable.json` lists what is missing.
 * @param what the name of what is missing, as the list has it
 * @param why what stood in the way
 */
export function endUnrun(context: Skipping, what: string, why: string, place: Place = here): never {
  const listed = Object.hasOwn(place.listed, what) ? place.listed[what] : undefined;
  if (place.isStrict && listed === undefined) {
    throw new Error(
      `${what} is not available and CI=true: ${why}. Provide it, or list "${what}" in test/unavailable.json with the reason`,
    );
  }
  const reason = `not run for want of ${what}: ${why}${listed === undefined ? '' : ` (listed: ${listed})`}`;
  process.stdout.write(`${reason}\n`);
  return context.skip(reason);
}
