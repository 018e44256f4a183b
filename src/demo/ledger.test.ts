import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/git/temporary-repository.ts';
import { readLedger, writeLedger, type LedgerLine } from './ledger.ts';

const line: LedgerLine = { what: 'begin', step: 'work', task: 'a', attempt: 1, pid: 7 };

test('lines are read in the order written, and none before the first', () => {
  const path = join(temporaryFolder(), 'ledger');
  expect(readLedger(path)).toEqual([]);
  writeLedger(path, line);
  writeLedger(path, { what: 'killed', pid: 7 });
  expect(readLedger(path)).toEqual([line, { what: 'killed', pid: 7 }]);
});

test('a line that was cut short spoils only itself', () => {
  const path = join(temporaryFolder(), 'ledger');
  writeLedger(path, line);
  appendFileSync(path, '\n{"what":"end","st');
  expect(readLedger(path)).toEqual([line]);
  writeLedger(path, line);
  expect(readLedger(path)).toEqual([line, line]);
});
