import { afterAll, beforeAll } from 'vitest';
import { PostgresServer } from '../fakes/postgres-server.ts';
import { exerciseShared } from './exercise-shared.ts';
import { exerciseStore } from './exercise-store.ts';
import { PostgresWorld } from './postgres-world.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start(process.env['PLEACH_TEST_POSTGRES']);
});
afterAll(() => server.stop());

exerciseStore('PostgresStore', (clock) => PostgresWorld.make(server, clock));
exerciseShared('PostgresStore', (clock) => PostgresWorld.make(server, clock));
