import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { replayFile } from '../replay/replay-file.ts';
import { type Outcome, runScenario, storyOf } from './run-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'pleach-crash-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCENARIOS = [
  'steps',
  'timer',
  'signal',
  'update',
  'child',
  'cancel',
  'again',
  'undone',
  'locals',
  'large',
  'transactional',
];
const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));
const AT_ONCE = 2;
let walked = 0;

/** What must hold whatever happened: each attempt ran at most once, and nothing ran after its result was taken. */
function checkLedger(outcome: Outcome, label: string): void {
  const ordinary = outcome.ledger.filter((line) => line.includes(' activity-'));
  expect(new Set(ordinary).size, `${label}: an attempt ran twice\n${ordinary.join('\n')}`).toBe(ordinary.length);
}

/** Each transactional step has one row, whatever happened, and its outcome is in the history alone. */
function checkPut(outcome: Outcome, whole: Outcome, label: string): void {
  const names = ({ put }: Outcome): string[] => put.map(({ name }) => name);
  expect(names(outcome), label).toEqual(names(whole));
  expect(outcome.left, label).toEqual([]);
}

for (const point of ['one:within', 'two:within', 'two:committed', 'three:within']) {
  it(`a transactional step has one row when its process is killed at "${point}"`, async () => {
    const outcome = await runScenario(join(folder, 'tx', point.replace(':', '-')), 'transactional', point);
    expect(outcome.result).toBe('onetwothree');
    const [name, where] = point.split(':');
    // What was committed is not run again: its row says which attempt wrote it.
    const again = where === 'within' ? name : undefined;
    expect(outcome.put).toEqual(['one', 'three', 'two'].map((one) => ({ name: one, attempt: one === again ? 2 : 1 })));
    expect(outcome.left).toEqual([]);
    expect(outcome.processes).toBe(2);
  }, 60_000);
}

for (const scenario of SCENARIOS) {
  it(`ends the same whichever store call of "${scenario}" the process dies at`, async () => {
    const whole = await runScenario(join(folder, scenario, 'whole'), scenario);
    checkLedger(whole, scenario);
    expect(whole.processes).toBe(1);
    const points = whole.calls.flatMap((_, index) => [`${index + 1}:before`, `${index + 1}:after`]);
    const next = points.values();
    const story = storyOf(whole.segments).sort();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const point of next) {
          const label = `${scenario} at ${point} (${whole.calls[Number(point.split(':')[0]) - 1]})`;
          const outcome = await runScenario(join(folder, scenario, point.replace(':', '-')), scenario, point);
          expect(outcome.result, label).toEqual(whole.result);
          checkLedger(outcome, label);
          expect(storyOf(outcome.segments).sort(), label).toEqual(story);
          checkPut(outcome, whole, label);
          walked++;
        }
      }),
    );
    let replayed = 0;
    for (const point of ['whole', ...points]) {
      const file = join(folder, scenario, point.replace(':', '-'), 'run.db');
      const replay = await replayFile(file, workflowsPath);
      expect(replay.differences, `${scenario} at ${point}`).toEqual([]);
      replayed += replay.replayed;
    }
    expect(replayed).toBeGreaterThan(points.length);
    process.stdout.write(
      `crash points walked: ${scenario} ${points.length}, ${walked} in all, ${replayed} histories replayed\n`,
    );
  }, 600_000);
}
