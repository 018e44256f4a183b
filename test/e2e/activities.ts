import { ApplicationFailure, Context } from '../../src/entry/activity.ts';

/** What activities wrote down, and what they are told to do, by test. */
export const ledger: string[] = [];
export const told = { fail: true };

export const activities = {
  async echo(text: string): Promise<string> {
    ledger.push(text);
    return text;
  },
  async add(a: number, b: number): Promise<number> {
    return a + b;
  },
  async alwaysFails(): Promise<void> {
    throw ApplicationFailure.create({ message: 'no luck', type: 'Luck' });
  },
  async failsWith(text: string): Promise<string> {
    throw new Error(text);
  },
  async succeedsOnAttempt(n: number): Promise<number> {
    const { attempt } = Context.current().info;
    if (attempt < n) throw new Error(`attempt ${attempt}`);
    return attempt;
  },
  async hangs(): Promise<void> {
    await new Promise<void>((resolve) =>
      Context.current().cancellationSignal.addEventListener('abort', () => resolve()),
    );
  },
  async waitsForCancel(): Promise<void> {
    Context.current().heartbeat('here');
    await Context.current().cancelled;
  },
  async record(what: string, shouldFail: boolean): Promise<void> {
    ledger.push(what);
    if (shouldFail) throw ApplicationFailure.nonRetryable(`${what} failed`);
  },
  async failsWhileTold(): Promise<void> {
    if (told.fail) throw new Error('the undo fails');
    ledger.push('undone at last');
  },
};

export type Activities = typeof activities;
