import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Client, type Payload, PleachError, WorkflowExecutionAlreadyStartedError } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { openSuite, type Suite } from '../replay/suite.ts';
import { callMisnamed, done, talk } from './inside.ts';

const workflowsPath = fileURLToPath(new URL('./inside.ts', import.meta.url));

/** Looks again and again until it holds; the test's own time-out ends a wait that is in vain. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('names and data that are wrong', () => {
  let suite: Suite;
  let client: Client;
  let ids = 0;
  const start = (): { workflowId: string; taskQueue: string } => ({ workflowId: `n-${++ids}`, taskQueue: 'names' });

  beforeAll(async () => {
    const activities = { bookSeat: async () => 'seat', chargeCard: async () => 'paid' };
    suite = await openSuite('memory:names', { taskQueue: 'names', workflowsPath, activities });
    client = suite.client;
  });

  afterAll(() => {
    const unknown = 'there is no such workflow';
    return suite.close(8, ({ workflowType }) => (workflowType === 'tolk' ? unknown : { workflowsPath }));
  });

  it('an unknown workflow type blocks its run, which says the nearest names', async () => {
    const handle = await client.workflow.start('tolk', start());
    const { blocked, waitingFor } = await until(async () => {
      const description = await handle.describe();
      return description.blocked ? description : undefined;
    });
    expect(blocked).toMatchObject({ cause: 'TYPE_NOT_REGISTERED' });
    expect(blocked?.failure).toMatchObject({ code: 'WORKFLOW_NOT_REGISTERED' });
    expect(blocked?.failure.message).toMatch(/no workflow "tolk" is exported; near to it: talk/);
    expect(waitingFor.join()).toContain('near to it: talk');
    await handle.terminate('seen');
  });

  it('an unknown activity type is retried by its policy, and describe says the nearest names', async () => {
    const handle = await client.workflow.start(callMisnamed, { ...start(), args: ['bookSeet'] });
    const [activity] = await until(async () => {
      const { activities } = await handle.describe();
      return activities[0]?.lastFailure ? activities : undefined;
    });
    expect(activity?.lastFailure).toMatchObject({ type: 'NotFoundError', code: 'ACTIVITY_NOT_REGISTERED' });
    expect(activity?.lastFailure?.message).toMatch(/bookSeet is not registered.*near to it: bookSeat/);
    await handle.terminate('seen');
  });

  it('a queue without a worker is named by describe, for a workflow and for an activity', async () => {
    const lost = await client.workflow.start(talk, { ...start(), taskQueue: 'nobody', args: ['x'] });
    expect(await lost.describe()).toMatchObject({
      queuesWithoutWorker: ['nobody'],
      waitingFor: ['a worker on task queue "nobody": none is connected'],
    });
    await lost.terminate('seen');
    const handle = await client.workflow.start(callMisnamed, { ...start(), args: ['bookSeat', 'empty'] });
    const description = await until(async () => {
      const now = await handle.describe();
      return now.queuesWithoutWorker.length > 0 ? now : undefined;
    });
    expect(description.queuesWithoutWorker).toEqual(['empty']);
    expect(description.waitingFor[0]).toBe('a worker on task queue "empty": none is connected');
    await handle.terminate('seen');
  });

  it('an unknown query, update and signal are told apart, and those that there are, are named', async () => {
    const handle = await client.workflow.start(talk, { ...start(), args: ['Ada'] });
    await expect(handle.query('nome')).rejects.toMatchObject({
      name: 'QueryNotRegisteredError',
      pleachCode: 'QUERY_NOT_REGISTERED',
      message: expect.stringMatching(/nome.*Registered queries: \[name\]/) as string,
    });
    const refused: unknown = await handle.executeUpdate('renome').catch((error: unknown) => error);
    expect((refused as Error).cause).toMatchObject({
      type: 'UpdateNotRegistered',
      message: expect.stringMatching(/renome; there are: rename/) as string,
    });
    // A signal may come before its handler: it waits, as the field has it.
    await handle.signal('nobody-listens');
    await handle.signal(done);
    expect(await handle.result()).toBe('Ada');
  });

  it('a second start of an open id is refused with the id and its run; a repeated update id gives the first answer', async () => {
    const options = { ...start(), args: ['Ada'] as [string] };
    const handle = await client.workflow.start(talk, options);
    const second = await client.workflow.start(talk, options).catch((error: unknown) => error);
    expect(second).toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
    expect(second).toMatchObject({ workflowId: options.workflowId });
    expect((second as Error).message).toMatch(new RegExp(`${options.workflowId}.*${handle.firstExecutionRunId}`));
    const once = await handle.executeUpdate('rename', { args: ['Grace'], updateId: 'u' });
    const again = await handle.executeUpdate('rename', { args: ['Joan'], updateId: 'u' });
    expect([once, again, await handle.query('name')]).toEqual(['Grace', 'Grace', 'Grace']);
    await handle.signal(done);
    await handle.result();
  });

  const breaking: Record<string, (payloads: Payload[]) => unknown> = {
    'gives too few': () => [],
    'gives no list': () => 'payloads',
    'gives what is no payload': (payloads) => payloads.map(() => ({ data: 'text' })),
    throws: () => {
      throw new Error('the key is missing');
    },
  };

  it.each(Object.entries(breaking))(
    "a client's codec that %s is named, and nothing is started",
    async (_what, encode) => {
      const codec = {
        encode: async (payloads: Payload[]) => encode(payloads) as Payload[],
        decode: async (p: Payload[]) => p,
      };
      const broken = new Client({ connection: client.connection, dataConverter: { payloadCodecs: [codec] } });
      const options = { ...start(), args: ['Ada'] as [string] };
      await expect(broken.workflow.start(talk, options)).rejects.toThrow(
        /codec|payload is \{ metadata|the key is missing/,
      );
      await expect(client.workflow.getHandle(options.workflowId).describe()).rejects.toThrow(options.workflowId);
    },
  );

  it.each(Object.entries(breaking))(
    "a worker's codec that %s blocks the run, which heals with the codec",
    async (_what, decode) => {
      let isBroken = true;
      const codec = {
        encode: async (payloads: Payload[]) => payloads,
        decode: async (payloads: Payload[]) => (isBroken ? decode(payloads) : payloads) as Payload[],
      };
      const taskQueue = `codec-${++ids}`;
      const own = await Worker.create({
        connection: suite.connection,
        taskQueue,
        workflowsPath,
        dataConverter: { payloadCodecs: [codec] },
      });
      await own.runUntil(async () => {
        const handle = await client.workflow.start(talk, { ...start(), taskQueue, args: ['Ada'] });
        const { blocked } = await until(async () => {
          const description = await handle.describe();
          return description.blocked ? description : undefined;
        });
        expect(blocked?.cause).toBe('CONVERTER_FAILED');
        expect(blocked?.failure.message).toMatch(/codec|payload is \{ metadata|the key is missing/);
        isBroken = false;
        await handle.signal(done);
        expect(await handle.result()).toBe('Ada');
      });
    },
  );

  it('payloads that are none are refused by the engine, whoever sent them', async () => {
    const { caller } = client.connection;
    const effect = { requestId: 'r', identity: 'i' };
    for (const input of [5, 'text', [5], [null], [{ encoding: 5 }], [{}], { 0: 'x' }]) {
      const params = { namespace: 'default', start: { ...start(), type: 'talk', queue: 'names', input }, ...effect };
      await expect(caller.call('start', params as never), JSON.stringify(input)).rejects.toMatchObject({
        code: 'PAYLOAD_MALFORMED',
      });
    }
  });
});

describe('an address whose file is wrong', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pleach-address-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const refusalOf = async (path: string): Promise<PleachError> => {
    const connection = await NativeConnection.connect({ address: `sqlite:${path}` }).catch((error: unknown) => error);
    if (connection instanceof NativeConnection) onTestFinished(() => connection.close());
    expect(connection).toBeInstanceOf(PleachError);
    return connection as PleachError;
  };

  it.each<[string, string, RegExp, (path: string) => void]>([
    [
      'that is no database',
      'DATABASE_NOT_OURS',
      /Name another file/,
      (path) => writeFileSync(path, 'eggs, flour, milk'),
    ],
    [
      "that is another program's",
      'DATABASE_NOT_OURS',
      /Name another file/,
      (path) => sql(path, 'create table song (name text)'),
    ],
    ['that is a folder', 'DATABASE_UNOPENABLE', /may be written|Name|Check/, (path) => mkdirSync(path)],
  ])('%s is refused as %s, through the engine thread', async (what, code, mend, make) => {
    const path = join(folder, `${what.replaceAll(/\W/g, '-')}.db`);
    make(path);
    const error = await refusalOf(path);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(mend);
    expect(error.message).toContain(path);
  });

  it('that a later release made is refused, and opens again where it is put back', async () => {
    const path = join(folder, 'newer.db');
    await (await NativeConnection.connect({ address: `sqlite:${path}` })).close();
    const known = userVersion(path);
    sql(path, 'pragma user_version = 99');
    const error = await refusalOf(path);
    expect(error).toMatchObject({ code: 'DATABASE_NEWER', details: { found: 99 } });
    expect(error.message).toMatch(/Update pleach/);
    sql(path, 'pragma user_version = 1');
    expect(await refusalOf(path)).toMatchObject({ code: 'DATABASE_UNOPENABLE', details: { found: 1 } });
    sql(path, `pragma user_version = ${known}`);
    await (await NativeConnection.connect({ address: `sqlite:${path}` })).close();
  });
});

function userVersion(path: string): number {
  const db = new DatabaseSync(path);
  const row = db.prepare('pragma user_version').get() as { user_version: number };
  db.close();
  return row.user_version;
}

function sql(path: string, text: string): void {
  const db = new DatabaseSync(path);
  db.exec(text);
  db.close();
}
