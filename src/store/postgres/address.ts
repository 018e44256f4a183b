import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { messageOf, PleachError } from '../../core/index.ts';

/** How certain a connection must be of the server at its other end; the words of libpq. */
export type TlsMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

const TLS_MODES: readonly TlsMode[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];
const KNOWN = ['schema', 'pooler', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'host', 'application_name'];
const PORT = 5432;

/** What an address says. */
export interface PostgresAddress {
  host: string;
  port: number;
  user: string;
  password: string | undefined;
  database: string;
  /** Where our tables lie. Default `pleach`. */
  schema: string;
  /** Whether a pooler that gives a connection for one transaction stands between. */
  isPooled: boolean;
  tlsMode: TlsMode;
  /** Undefined where there is to be no TLS. */
  tls: ConnectionOptions | undefined;
  applicationName: string;
  /** The address without its password, for messages. */
  shown: string;
}

/**
 * Reads `postgres://user:password@host:port/database?…`. Understood are `schema`, `pooler=transaction`, `sslmode`,
 * `sslrootcert`, `sslcert`, `sslkey`, `application_name`, and `host` for a folder with the server's socket.
 * @throws INVALID_ARGUMENT for anything else
 */
export function parseAddress(address: string): PostgresAddress {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol))
    throw refused('not an address of PostgreSQL', 'write postgres://user@host:5432/database');
  const { searchParams: params } = url;
  const shown = `postgres://${url.host}${url.pathname}`;
  for (const name of params.keys())
    if (!KNOWN.includes(name)) throw refused(`${shown} has the option "${name}"`, `known are ${KNOWN.join(', ')}`);
  const pooler = params.get('pooler');
  if (pooler !== null && pooler !== 'transaction')
    throw refused(`${shown} has pooler=${pooler}`, 'it is "transaction", or left out for poolers by session');
  const schema = params.get('schema') ?? 'pleach';
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw refused(
      `${shown} has the schema "${schema}"`,
      'a schema is 1 to 63 of a-z, 0-9 and _, and begins with no digit',
    );
  const tlsMode = (params.get('sslmode') ?? 'prefer') as TlsMode;
  if (!TLS_MODES.includes(tlsMode)) throw refused(`${shown} has sslmode=${tlsMode}`, `it is ${TLS_MODES.join(', ')}`);
  const user = decodeURIComponent(url.username) || 'postgres';
  return {
    host: params.get('host') ?? (url.hostname.replace(/^\[|\]$/g, '') || 'localhost'),
    port: url.port === '' ? PORT : Number(url.port),
    user,
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || user,
    schema,
    isPooled: pooler === 'transaction',
    tlsMode,
    tls: tlsOf(tlsMode, params),
    applicationName: params.get('application_name') ?? 'pleach',
    shown,
  };
}

function tlsOf(mode: TlsMode, params: URLSearchParams): ConnectionOptions | undefined {
  if (mode === 'disable') return undefined;
  const file = (name: string): Buffer | undefined => {
    const path = params.get(name);
    if (path === null) return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      throw refused(`${name}=${path} cannot be read (${messageOf(error)})`, 'name a file that may be read');
    }
  };
  const [ca, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')];
  const given = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  // As libpq has it: a root certificate that is given is not given for nothing.
  if (mode === 'verify-full') return { ...given, rejectUnauthorized: true };
  if (mode === 'verify-ca' || (mode === 'require' && ca))
    return { ...given, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  return { ...given, rejectUnauthorized: false };
}

function refused(what: string, advice: string): PleachError {
  return new PleachError('INVALID_ARGUMENT', `reading the address of PostgreSQL: ${what}; ${advice}`, {});
}
