import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** A step of a task began, or came to an end of some kind. */
export interface StepLine {
  /** `refused` is a failure that is final (a failing check), `failed` one that is tried again. */
  readonly what: 'begin' | 'end' | 'refused' | 'failed';
  readonly step: string;
  readonly task: string;
  /** From 1, as the engine counts. */
  readonly attempt: number;
  readonly pid: number;
}

/** The engine answered that a task's workflow is completed, so everything it did until here is durable. */
export interface RecordedLine {
  readonly what: 'recorded';
  readonly task: string;
  readonly pid: number;
}

/** The last act of a process before it ends itself. */
export interface KilledLine {
  readonly what: 'killed';
  readonly pid: number;
}

/** A line of the ledger. */
export type LedgerLine = StepLine | RecordedLine | KilledLine;

/**
 * Writes a line, on the disk when this returns: the ledger has a truth of its own beside the engine's.
 * The line feed comes first, so that a line cut short by a crash spoils itself and not the one written after it.
 */
export function writeLedger(path: string, line: LedgerLine): void {
  const file = openSync(path, 'a');
  try {
    writeSync(file, `\n${JSON.stringify(line)}`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Reads it, in the order written; empty where there is none yet. A line that was cut short is left out. */
export function readLedger(path: string): LedgerLine[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((text) => {
      try {
        return text === '' ? [] : [JSON.parse(text) as LedgerLine];
      } catch {
        return []; // cut short: whoever wrote it died before the line was on the disk, and so before it told anyone
      }
    });
}
