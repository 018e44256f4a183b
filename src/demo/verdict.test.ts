import { expect, test } from 'vitest';
import type { LedgerLine, StepLine } from './ledger.ts';
import { decideHalfWay, judgeLedger } from './verdict.ts';

/** Lines from words: `begin commit colours`; of an attempt and a process that no judgement here turns on. */
function ledger(...texts: readonly string[]): LedgerLine[] {
  return texts.map((text) => {
    const [what = '', step = '', task = ''] = text.split(' ');
    if (what === 'killed') return { what, pid: 1 };
    if (what === 'recorded') return { what, task: step, pid: 1 };
    return { what: what as StepLine['what'], step, task, attempt: 1, pid: 1 };
  });
}

test('a step that ended, whose task went on, and that begins again, is a completed step run again', () => {
  const verdict = judgeLedger(ledger('begin work a', 'end work a', 'begin validate a', 'killed', 'begin work a'));
  expect(verdict).toMatchObject({ rerun: ['work a'], recordedAtKill: ['work a'], inFlightAtKill: ['validate a'] });
});

test('a step that was in flight at the kill may begin again', () => {
  const verdict = judgeLedger(ledger('begin work a', 'killed', 'begin work a', 'end work a'));
  expect(verdict).toMatchObject({ inFlightAtKill: ['work a'], repeated: ['work a'], rerun: [], lost: [] });
});

test('a step that ended as its process died may begin again: its completion need not have been durable', () => {
  const verdict = judgeLedger(ledger('begin work a', 'end work a', 'killed', 'begin work a', 'end work a'));
  expect(verdict).toMatchObject({ unknownAtKill: ['work a'], inFlightAtKill: [], repeated: ['work a'], rerun: [] });
});

test('the last step of a task may not begin again once the engine has told that the task is through', () => {
  const verdict = judgeLedger(ledger('begin commit a', 'end commit a', 'recorded a', 'killed', 'begin commit a'));
  expect(verdict.rerun).toEqual(['commit a']);
});

test('a final failure is a completion too', () => {
  const verdict = judgeLedger(
    ledger('begin validate a', 'refused validate a', 'begin commit a', 'killed', 'begin validate a'),
  );
  expect(verdict.rerun).toEqual(['validate a']);
});

test('a failure that is tried again is neither a repetition nor lost', () => {
  const verdict = judgeLedger(ledger('begin work a', 'failed work a', 'begin work a', 'end work a'));
  expect(verdict).toMatchObject({ completedCount: 1, repeated: [], rerun: [], lost: [] });
});

test('what one task does says nothing of the steps of another, but for the steps that all wait for', () => {
  const verdict = judgeLedger(
    ledger('begin clone all', 'end clone all', 'begin work a', 'end work a', 'begin work b', 'killed'),
  );
  expect(verdict).toMatchObject({ recordedAtKill: ['clone all'], unknownAtKill: ['work a'] });
});

test('a step that begins and never ends is lost', () => {
  expect(judgeLedger(ledger('begin work a', 'killed')).lost).toEqual(['work a']);
});

test('it is half way when two checks have passed and a third task is at work', () => {
  const two = ['a', 'b'].flatMap((task) => [`begin work ${task}`, `end work ${task}`, `end validate ${task}`]);
  expect(decideHalfWay(ledger('begin work a', 'end work a', 'end validate a', 'begin work c'))).toBeUndefined();
  expect(decideHalfWay(ledger(...two))).toBeUndefined();
  expect(decideHalfWay(ledger(...two, 'begin work c', 'end commit a'))).toEqual(['a']);
  expect(decideHalfWay(ledger(...two, 'begin work c', 'end work c'))).toBeUndefined();
});
