import { messageOf, PleachError } from '../../core/index.ts';

const FULL = 13;
const BUSY = 5;
const LOCKED = 6;
const READ_ONLY = 8;
const IO = 10;
const CORRUPT = 11;
const CANTOPEN = 14;
const NOTADB = 26;

/**
 * Says in our words what SQLite says in its numbers.
 * @param doing what was going on, as the start of the sentence
 */
export function storeError(doing: string, error: unknown): PleachError {
  if (error instanceof PleachError) return error;
  const number = (error as { errcode?: number }).errcode;
  const primary = number === undefined ? undefined : number & 0xff;
  const said = messageOf(error);
  const options = { cause: error };
  const details = { sqlite: number, said };
  switch (primary) {
    case FULL:
      return new PleachError(
        'STORE_FULL',
        `${doing}: the disk (or the database's page limit) is full; nothing was written. Make room: writing goes on by itself`,
        details,
        options,
      );
    case READ_ONLY:
      return new PleachError(
        'STORE_READ_ONLY',
        `${doing}: the database can only be read; nothing was written. Make the file and its folder writable`,
        details,
        options,
      );
    case CORRUPT:
      return new PleachError(
        'DATABASE_CORRUPT',
        `${doing}: the database file is damaged (${said}). Restore it from a backup`,
        details,
        options,
      );
    case NOTADB:
      return new PleachError(
        'DATABASE_NOT_OURS',
        `${doing}: the file is not a SQLite database. Name another file, or remove this one`,
        details,
        options,
      );
    case CANTOPEN:
      return new PleachError(
        'DATABASE_UNOPENABLE',
        `${doing}: the file cannot be opened (${said}). Check that its folder exists and may be written`,
        details,
        options,
      );
    case BUSY:
    case LOCKED:
      return new PleachError(
        'STORE_UNAVAILABLE',
        `${doing}: another process held the database for too long (${said}). Safe to try again`,
        details,
        options,
      );
    case IO:
      return new PleachError('STORE_UNAVAILABLE', `${doing}: the disk failed (${said})`, details, options);
    default:
      return new PleachError('UNEXPECTED', `${doing}: ${said}`, details, options);
  }
}
