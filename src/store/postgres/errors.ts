import { messageOf, PleachError } from '../../core/index.ts';

/** What a failed statement carries: the server's five letters, or Node's name of a broken connection. */
interface Said {
  code?: string;
  detail?: string;
}

/** Whether PostgreSQL itself answered: five letters or digits. Everything else is a connection that failed. */
function stateOf(error: unknown): string | undefined {
  const code = (error as Said | undefined)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/**
 * Whether a connection must not be used again: it broke, went silent, or leads to a server that shuts down or may not
 * write, behind whose address another one may stand by now.
 */
export function isConnectionSpent(error: unknown): boolean {
  const state = stateOf(error);
  return state === undefined || state.startsWith('08') || state.startsWith('57P') || state === '25006';
}

/**
 * Says in our words what PostgreSQL says in its letters.
 * @param doing what was going on, as the start of the sentence
 */
export function storeError(doing: string, error: unknown): PleachError {
  if (error instanceof PleachError) return error;
  const state = stateOf(error);
  const said = messageOf(error);
  const detail = (error as Said | undefined)?.detail;
  const details = { state, said, ...(detail === undefined ? {} : { detail }) };
  const options = { cause: error };
  if (state === undefined) {
    return new PleachError(
      'STORE_UNAVAILABLE',
      `${doing}: the connection to PostgreSQL failed (${said}). It is made again by itself; see that the server runs and can be reached`,
      details,
      options,
    );
  }
  switch (state) {
    case '53100':
      return new PleachError(
        'STORE_FULL',
        `${doing}: the disk of PostgreSQL is full; nothing was written. Make room: writing goes on by itself`,
        details,
        options,
      );
    case '25006':
      return new PleachError(
        'STORE_READ_ONLY',
        `${doing}: this PostgreSQL can only be read; nothing was written. Name the address of the primary, or end its read-only mode`,
        details,
        options,
      );
    case '26000':
    case '42P05':
      return new PleachError(
        'STORE_UNAVAILABLE',
        `${doing}: a prepared statement is not where it was (${said}). A pooler stands between: add ?pooler=transaction to the address`,
        details,
        options,
      );
    case '3D000':
    case '42501':
      return new PleachError(
        'DATABASE_UNOPENABLE',
        `${doing}: ${said}. Make the database, or give its user the right to its schema`,
        details,
        options,
      );
  }
  // Corrupted data, a lost index, a page that cannot be read.
  if (state.startsWith('XX00')) {
    return state === 'XX000'
      ? new PleachError('STORE_UNAVAILABLE', `${doing}: PostgreSQL failed inside (${said})`, details, options)
      : new PleachError(
          'DATABASE_CORRUPT',
          `${doing}: the database is damaged (${said}). Restore it from a backup`,
          details,
          options,
        );
  }
  if (state.startsWith('28')) {
    return new PleachError(
      'DATABASE_UNOPENABLE',
      `${doing}: PostgreSQL refused the user (${said}). Mend the user or the password`,
      details,
      options,
    );
  }
  // Broken connections, resources, time-outs and locks, shutdowns, failures of the system, rolled back for another's sake.
  if (/^(08|40|53|55|57|58)/.test(state)) {
    return new PleachError(
      'STORE_UNAVAILABLE',
      `${doing}: PostgreSQL did not do it now (${said}). Safe to try again`,
      details,
      options,
    );
  }
  return new PleachError(
    'UNEXPECTED',
    `${doing}: ${said}${detail === undefined ? '' : ` (${detail})`}`,
    details,
    options,
  );
}
