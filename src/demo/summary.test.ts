import { expect, test } from 'vitest';
import { decideFaults, renderSummary, type Facts } from './summary.ts';
import { TASKS } from './tasks.ts';
import type { LandingReport, TaskOutcome } from './workflows.ts';

const outcomes = TASKS.map(({ id, expected }): TaskOutcome => {
  if (expected !== 'landed') return { id, outcome: expected, why: 'for a reason' };
  return { id, outcome: 'landed', commit: `commit of ${id}`, testedTree: `tree of ${id}`, landedTree: `tree of ${id}` };
});

/** Facts of which nothing is wrong, but for what a test changes. */
function facts(change: Partial<Facts> = {}): Facts {
  const report: LandingReport = { base: 'base', outcomes };
  return {
    tasks: TASKS,
    report,
    wasKilled: true,
    verdict: {
      completedCount: 3,
      recordedAtKill: ['work greeting'],
      inFlightAtKill: ['work plan-a'],
      unknownAtKill: [],
      repeated: ['work plan-a'],
      rerun: [],
      lost: [],
    },
    landed: outcomes.flatMap((each) =>
      each.outcome === 'landed' ? [{ commit: each.commit, tree: each.landedTree, subject: `Land: ${each.id}` }] : [],
    ),
    branches: new Set(TASKS.map(({ id }) => id)),
    ...change,
  };
}

test('when all holds there is no fault, and four of six tasks land', () => {
  expect(decideFaults(facts())).toEqual([]);
  expect(TASKS.map(({ expected }) => expected).toSorted()).toEqual([
    'check-failed',
    'conflict',
    ...Array<string>(4).fill('landed'),
  ]);
  expect(renderSummary(facts(), [], 8_250).join('\n')).toMatchInlineSnapshot(`
    "tasks
      Write a greeting           landed        tree tree of gr tested and landed
      List the colours           landed        tree tree of co tested and landed
      Count the files            landed        tree tree of in tested and landed
      Write the plan             landed        tree tree of pl tested and landed
      Write the plan otherwise   conflict      for a reason; its branch pleach-demo/plan-b is kept
      Write the data             check-failed  for a reason; its branch pleach-demo/data is kept

    new on pleach-demo-target
      commit of  Land: greeting
      commit of  Land: colours
      commit of  Land: inventory
      commit of  Land: plan-a

    steps, by the ledger
      completed                             3
      completed when the engine was killed  1
      in flight when it was killed          1 (work plan-a)
      of these begun again                  1
      completed and run again               0

    Nothing lost, nothing completed run again, every tree landed as it was tested.
    8.3 s"
  `);
});

const [first, ...rest] = facts().landed;
test.each<[string, Partial<Facts>, RegExp]>([
  ['the engine lived on', { wasKilled: false }, /never killed/],
  [
    'a tree on the target is not the tested one',
    { landed: [{ ...first!, tree: 'other' }, ...rest] },
    /was tested and other/,
  ],
  ['a commit is missing on the target', { landed: rest }, /its commit is not on the target/],
  ['commits are on the target in another order', { landed: [...rest, first!] }, /another order/],
  ['a commit nobody told of is on the target', { landed: [...facts().landed, first!] }, /5 new commits, and 4/],
  ['a branch is gone', { branches: new Set(['greeting']) }, /the branch of colours is gone/],
  [
    'a task is missing',
    { report: { base: 'base', outcomes: outcomes.slice(1) } },
    /greeting was to be landed and is missing/,
  ],
  ['a completed step ran again', { verdict: { ...facts().verdict, rerun: ['work data'] } }, /ran again: work data/],
  ['a step never ended', { verdict: { ...facts().verdict, lost: ['work data'] } }, /never ended: work data/],
  ['nothing was in flight', { verdict: { ...facts().verdict, inFlightAtKill: [] } }, /nothing was in flight/],
])('when %s, the summary says so', (_, change, sentence) => {
  const faults = decideFaults(facts(change));
  expect(faults.join('\n')).toMatch(sentence);
  expect(renderSummary(facts(change), faults, 0).join('\n')).toContain(`DOES NOT HOLD: ${faults[0]}`);
});
