// oxlint-disable vitest/no-conditional-expect -- every branch asserts; the cases differ in what they demand
import { describe, expect, test } from 'vitest';
import { type Cell, nextState, RefusedTransition, type Table, TABLES } from './tables.ts';

const tables: [string, Table<string, string>][] = Object.entries(TABLES);

/** States in which a subject has ended: nothing may lead out of them. */
const ENDED = new Set(['closed', 'completed', 'rejected']);

interface Place {
  table: string;
  state: string;
  event: string;
  cell: Cell<string> | undefined;
}

const cells: Place[] = tables.flatMap(([table, states]) => {
  const events = new Set(Object.values(states).flatMap((row) => Object.keys(row)));
  return Object.entries(states).flatMap(([state, row]) =>
    [...events].map((event) => ({ table, state, event, cell: row[event] })),
  );
});

test('every state of every table answers every event of its table', () => {
  const wanted = tables.reduce((sum, [, states]) => {
    const events = new Set(Object.values(states).flatMap((row) => Object.keys(row)));
    return sum + Object.keys(states).length * events.size;
  }, 0);
  process.stdout.write(`state tables: ${tables.length} tables, ${wanted} cells\n`);
  expect(cells).toHaveLength(wanted);
  expect(wanted).toBeGreaterThan(100);
  expect(cells.filter(({ cell }) => cell === undefined)).toEqual([]);
});

describe.each(tables)('%s', (name, states) => {
  const own = cells.filter((place) => place.table === name);

  test.each(own)('$state × $event is $cell', ({ state, event, cell }) => {
    expect([...Object.keys(states), 'ignore', 'refuse']).toContain(cell);
    const move = (): string | undefined => nextState(states, state, event, 'subject 7');
    if (cell === 'refuse') {
      expect(move).toThrow(RefusedTransition);
      expect(move).toThrow(`subject 7 is ${state} and cannot ${event}`);
    } else {
      expect(move()).toBe(cell === 'ignore' ? undefined : cell);
    }
  });

  test('nothing leads out of a state in which the subject has ended', () => {
    const out = own.filter(({ state, cell }) => ENDED.has(state) && cell !== 'ignore' && cell !== 'refuse');
    expect(out).toEqual([]);
  });

  test('an end can be reached from every state', () => {
    const reaches = new Set(Object.keys(states).filter((state) => ENDED.has(state)));
    for (let before = -1; before !== reaches.size;) {
      before = reaches.size;
      for (const { state, cell } of own) if (cell !== undefined && reaches.has(cell)) reaches.add(state);
    }
    expect([...reaches].sort()).toEqual(Object.keys(states).sort());
  });
});

test('a cell that is not there is a broken assertion, not a silent step', () => {
  const table: Table<string, string> = { open: {} };
  expect(() => nextState(table, 'open', 'vanish', 'subject 7')).toThrow('no cell for open × vanish');
});
