import { beforeAll, describe, expect, it } from 'vitest';
import { endUnrun } from '../available.ts';
import { failureOf, Realm, RUN_TIME, valueOf } from './run-in-sandbox.ts';

const ISO = '2001-02-03T04:05:06.789';
let realm: Realm;
beforeAll(async () => {
  realm = await Realm.open('./fixtures/hole-workflows.js');
});

describe('the run has its own clock, generator, time zone and locale', () => {
  it('reads the run clock by every way to a Date', () => {
    const text = 'Sat Feb 03 2001 04:05:06 GMT+0000 (Coordinated Universal Time)';
    expect(realm.value('dates')).toEqual({
      called: text,
      isText: 'string',
      now: RUN_TIME,
      made: RUN_TIME,
      constructorIsDate: true,
      constructorNow: RUN_TIME,
      subclass: [true, true, RUN_TIME + 1, true],
      reflected: true,
      parts: [4, Date.UTC(2001, 1, 3, 4), 0],
      parsed: [Date.UTC(2001, 1, 3, 4, 5, 6), Date.UTC(2001, 1, 3, 4, 5)],
      text: [text, 'Sat Feb 03 2001', '04:05:06 GMT+0000 (Coordinated Universal Time)', text],
    });
  });

  it('draws the same numbers, ids and bytes from the same seed, and others from another', () => {
    const first = realm.value('randoms', { seed: 'a' });
    expect(realm.value('randoms', { seed: 'a' })).toEqual(first);
    expect(realm.value('randoms', { seed: 'b' })).not.toEqual(first);
    const { fraction, uuid, bytes } = first as { fraction: number[]; uuid: string[]; bytes: number[] };
    expect(new Set([...fraction, ...uuid]).size).toBe(4);
    for (const id of uuid) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(new Set(bytes).size).toBeGreaterThan(2);
  });

  it('formats dates, numbers and texts as en-US in UTC where nothing is said', () => {
    expect(realm.value('locales')).toEqual({
      resolved: ['en-US', 'UTC', 'en-US', 'en-US'],
      viaConstructor: 'UTC',
      formatted: ['2/3/2001', '2/3/2001'],
      ranged: '2/3/2001',
      bound: ['1/1/1970'],
      dates: ['2/3/2001, 4:05:06 AM', '2/3/2001', '4:05:06 AM', '3.2.2001, 04:05:06'],
      numbers: ['1,234,567.5', '1,234,567', '1,234.5,2/3/2001, 4:05:06 AM'],
      texts: [-1, 'i', 'I'],
      duration: 'Germany',
    });
  });

  it('reads the run clock through Temporal', (context) => {
    const value = realm.value('temporals');
    if (value === undefined) endUnrun(context, 'Temporal', 'this Node has none');
    expect(value).toEqual({
      instant: RUN_TIME,
      zone: 'UTC',
      date: '2001-02-03',
      dateTime: ISO,
      time: '04:05:06.789',
      zoned: `${ISO}+00:00[UTC]`,
      asked: '2001-02-03T13:05:06.789',
      local: ['2/3/2001, 4:05:06 AM', '2/3/2001', '2/3/2001, 4:05:06 AM UTC'],
      fromDate: RUN_TIME,
    });
  });
});

describe('what cannot be deterministic is not there', () => {
  it('refuses to watch the garbage collector', () => {
    expect(realm.value('collected')).toEqual({
      weakRef: 'threw DeterminismViolationError',
      registry: 'threw DeterminismViolationError',
      viaPrototype: expect.stringMatching(/^threw /) as string,
      weakMap: 1,
    });
  });

  it('has no shared memory, no process, no network and no host modules', () => {
    expect(realm.value('absent')).toEqual([]);
  });

  it('compiles no text and imports nothing at run time', () => {
    const refused = 'threw EvalError';
    expect(realm.value('compiled')).toEqual({
      eval: refused,
      indirect: refused,
      function: refused,
      viaConstructor: refused,
      async: refused,
      generator: refused,
      asyncGenerator: refused,
      imported: expect.stringMatching(/^refused /) as string,
    });
  });
});

describe('nothing that workflow code can reach leads to the host', () => {
  it('finds no way out over all globals, modules, their results and their errors', () => {
    const { answer, runId } = realm.start('escapes');
    const rest = 'commands' in answer && answer.commands.some((c) => c.kind === 'start-timer');
    expect(rest).toBe(true);
    const { found, looked } = valueOf(realm.round(runId, [{ kind: 'timer-fired', seq: 1 }])) as {
      found: string[];
      looked: number;
    };
    expect(found).toEqual([]);
    expect(looked).toBeGreaterThan(1500);
  });

  it('gives no foreign error when the stack overflows in a function of the host', () => {
    expect(realm.value('overflows')).toEqual([]);
  });

  it('hands no foreign call site to Error.prepareStackTrace', () => {
    expect(realm.value('callSites')).toEqual(['prepared']);
  });

  it('has errors that are instances of the run’s own classes', () => {
    const answers = realm.value('realmErrors') as unknown[];
    expect(answers.length).toBe(11);
    expect(new Set(answers)).toEqual(new Set([true]));
  });
});

describe('what libraries expect is there', () => {
  it('clones structures', () => {
    expect(realm.value('clones')).toEqual({
      same: false,
      shared: true,
      self: true,
      kinds: [true, true, true, true, true, true],
      values: [5, [1, 2], 'r', 'g', '1'],
      refused: 'threw DataCloneError',
    });
  });

  it('leaves prototypes open, and errors nameable', () => {
    expect(realm.value('open')).toEqual(['Named', 'own', 'patched', 10]);
  });
});

describe('one run does not see another', () => {
  it('refuses changes to built-in constructors, statics and its own modules', () => {
    const { statics, ...others } = realm.value('frozen') as { statics: unknown[] };
    expect(statics.length).toBe(12);
    expect(Object.keys(others)).toEqual(['name', 'parent', 'setter', 'constants']);
    expect(new Set([...statics, ...Object.values(others)])).toEqual(new Set(['threw TypeError']));
  });

  it('gives each run its own globalThis, across its activations', () => {
    const one = realm.start('globals', { args: ['one', true] });
    const two = realm.value('globals', { args: ['two', false] });
    const [none, keys] = [null, 'Buffer,mine'];
    expect(two).toEqual({ before: [none, none, true], after: ['two', 'two', 'two', keys] });
    const again = valueOf(realm.round(one.runId, [{ kind: 'timer-fired', seq: 1 }]));
    expect(again).toEqual({ before: [none, none, true], after: ['one', 'one', 'one', keys] });
  });

  it('gives each run its own modules', () => {
    const one = realm.start('modules', { args: [true] });
    expect(realm.value('modules', { args: [false] })).toBe(1);
    expect(realm.value('modules', { args: [false] })).toBe(1);
    expect(valueOf(realm.round(one.runId, [{ kind: 'timer-fired', seq: 1 }]))).toBe(1);
  });

  it('puts an unhandled rejection down to the run that made it', async () => {
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const guilty = realm.start('rejects', { args: ['forgotten'] });
    const careful = realm.start('rejects', { args: ['later'] });
    const innocent = realm.start('rejects', { args: ['none'] });
    await turn();
    expect(realm.context.takeRejection(careful.runId)).toBeUndefined();
    expect(realm.context.takeRejection(innocent.runId)).toBeUndefined();
    expect(failureOf(realm.context.takeRejection(guilty.runId)).message).toBe('unhandled rejection: nobody listens');
    expect(valueOf(realm.round(innocent.runId, [{ kind: 'timer-fired', seq: 1 }]))).toBe('went on');
  });

  it('lets a query leave a rejection behind, and nobody fails for it', async () => {
    const { runId } = realm.start('answers');
    const answer = realm.context.query(runId, { id: 'q', name: 'careless', input: [] });
    expect(answer).toEqual({ id: 'q', value: '"answered"' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(realm.context.takeRejection(runId)).toBeUndefined();
    expect(valueOf(realm.round(runId, [{ kind: 'timer-fired', seq: 1 }]))).toBe('went on');
  });

  it('names the author’s TypeScript file and line in a stack', async () => {
    const typed = await Realm.open('./stack-workflows.ts');
    const { stackTrace } = failureOf(typed.start('throwsDeep').answer) as { stackTrace: string };
    expect(stackTrace).toContain(`stack-workflows.ts:${typed.lineOf('new Error(')}:`);
    expect(stackTrace).toContain(`stack-workflows.ts:${typed.lineOf('  inner({')}:`);
  });
});

describe('a result or an error that throws when it is looked at fails its own task only', () => {
  const ways = 'getter stack nothing symbol proxy toJSON property thenable thenGetter circular bigint'.split(' ');
  for (const what of ways) {
    it(`fails the task for ${what}`, async () => {
      const other = realm.start('rejects', { args: ['none'] });
      const { runId, answer } = realm.start('throwsOdd', { args: [what] });
      await new Promise((resolve) => setImmediate(resolve));
      const failed = 'cause' in answer ? answer : realm.context.takeRejection(runId);
      expect(failureOf(failed).message).toEqual(expect.any(String));
      expect(valueOf(realm.round(other.runId, [{ kind: 'timer-fired', seq: 1 }]))).toBe('went on');
    });
  }

  it('fails the task for a rejection with what cannot be read', async () => {
    const { runId } = realm.start('throwsOdd', { args: ['rejectedProxy'] });
    await new Promise((resolve) => setImmediate(resolve));
    expect(failureOf(realm.context.takeRejection(runId)).message).toContain('unhandled rejection');
  });
});
