import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerProgram } from './peer-process.ts';
import { freePort, type Server } from './servers/ports.ts';

/** One system that is measured. */
export interface System {
  name: 'pleach' | 'DBOS' | 'Restate';
  /** How it keeps what it acknowledges, for the reader of the figures. */
  durability: string;
  /** Where its program starts; state that lies in a folder or a database starts empty. */
  program(): Promise<PeerProgram>;
  stop(): Promise<void>;
}

/** pleach, from its packed package. */
export function pleachSystem(file: string, workFolder: string): System {
  return {
    name: 'pleach',
    durability: 'SQLite, journal_mode=WAL, synchronous=FULL (its default)',
    program: async () => ({ name: 'pleach', file, cwd: mkdtempSync(join(workFolder, 'pleach-')), env: {} }),
    stop: async () => undefined,
  };
}

/** DBOS on an embedded PostgreSQL whose fsync is on. */
export async function dbosSystem(): Promise<System & { url: string; commitMs: number }> {
  const { startPostgres } = await import('./servers/postgres.ts');
  const { postgresFloor } = await import('./floors.ts');
  const server = await startPostgres();
  const { commitMs, durability } = await postgresFloor(server.url);
  return {
    name: 'DBOS',
    url: server.url,
    commitMs,
    durability: `PostgreSQL, ${durability}`,
    program: async () => ({
      name: 'DBOS',
      file: join(import.meta.dirname, 'peers/dbos.ts'),
      cwd: import.meta.dirname,
      env: { BENCH_POSTGRES: await server.newDatabase() },
      server: server.process,
    }),
    stop: () => server.stop(),
  };
}

/** Restate on its own log; each program gets a server of its own, so that nothing of the last one is under way. */
export async function restateSystem(): Promise<System> {
  const { startRestate } = await import('./servers/restate.ts');
  let server: (Server & { adminUrl: string }) | undefined;
  const stop = async (): Promise<void> => {
    await server?.stop();
    server = undefined;
  };
  return {
    name: 'Restate',
    durability: 'its own log, fsync on (its default)',
    async program() {
      await stop();
      server = await startRestate();
      return {
        name: 'Restate',
        file: join(import.meta.dirname, 'peers/restate.ts'),
        cwd: import.meta.dirname,
        env: {
          BENCH_RESTATE_INGRESS: server.url,
          BENCH_RESTATE_ADMIN: server.adminUrl,
          BENCH_RESTATE_ENDPOINT: String(await freePort()),
        },
        server: server.process,
      };
    },
    stop,
  };
}
