import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** A line of the ledger: a step began or ended. */
export interface LedgerLine {
  what: 'begin' | 'end';
  step: string;
  task: string;
  attempt: number;
  pid: number;
}

/** Writes a line, on the disk when this returns: the ledger has a truth of its own beside the engine's. */
export function writeLedger(path: string, line: LedgerLine): void {
  const file = openSync(path, 'a');
  try {
    writeSync(file, `${JSON.stringify(line)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Reads it; a line that was being written when its process died is left out. */
export function readLedger(path: string): LedgerLine[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((text) => {
      try {
        return text === '' ? [] : [JSON.parse(text) as LedgerLine];
      } catch {
        return [];
      }
    });
}

/** What the ledger proves. */
export interface LedgerVerdict {
  stepsRun: number;
  /** Steps that had begun and not ended when the engine died, and were begun again. */
  repeated: string[];
  /** Steps that had ended and were begun again: there must be none. */
  rerun: string[];
}

/** Judges a ledger: an ended step must never begin again. */
export function judgeLedger(lines: readonly LedgerLine[]): LedgerVerdict {
  const ended = new Set<string>();
  const begun = new Set<string>();
  const repeated: string[] = [];
  const rerun: string[] = [];
  for (const { what, step, task } of lines) {
    const key = `${step} ${task}`;
    if (what === 'end') ended.add(key);
    else if (ended.has(key)) rerun.push(key);
    else if (begun.has(key)) repeated.push(key);
    if (what === 'begin') begun.add(key);
  }
  return { stepsRun: ended.size, repeated, rerun };
}
