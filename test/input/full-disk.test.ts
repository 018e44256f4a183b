import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, type TestContext } from 'vitest';
import { Client, Connection, PleachError, ServiceError } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { endUnrun } from '../available.ts';
import { expectSameInFile } from '../replay/replay-file.ts';
import { done, talk } from './inside.ts';

const workflowsPath = fileURLToPath(new URL('./inside.ts', import.meta.url));
const LARGE = 'x'.repeat(60_000);

interface Engine {
  client: Client;
  /** Ends worker, client and engine. */
  close(): Promise<void>;
}

async function openEngine(path: string, pagesMax?: number): Promise<Engine> {
  const engine = pagesMax === undefined ? {} : { engine: { pagesMax } };
  const connection = await NativeConnection.connect({ address: `sqlite:${path}`, ...engine });
  const client = new Client({ connection: await Connection.connect({ address: `sqlite:${path}`, ...engine }) });
  const worker = await Worker.create({ connection, taskQueue: 'full', workflowsPath });
  const running = worker.run();
  return {
    client,
    async close() {
      worker.shutdown();
      await running;
      await client.connection.close();
      await connection.close();
    },
  };
}

const startOf = (id: string, name: string) => ({ workflowId: id, taskQueue: 'full', args: [name] as [string] });

/** Starts runs until one is refused. Those that were acknowledged, and what the refusal said. */
async function fill(client: Client): Promise<{ acknowledged: string[]; refusal: unknown }> {
  const acknowledged: string[] = [];
  for (;;) {
    const id = `w-${acknowledged.length}`;
    try {
      await client.withDeadline(Date.now() + 2000, () => client.workflow.start(talk, startOf(id, LARGE)));
      acknowledged.push(id);
    } catch (refusal) {
      return { acknowledged, refusal };
    }
  }
}

/** What was acknowledged can be read while nothing can be written, and new work is refused with what to do. */
async function expectFull(client: Client, acknowledged: readonly string[], refusal: unknown): Promise<void> {
  expect(refusal).toBeInstanceOf(ServiceError);
  const next = await client.workflow.start(talk, startOf('late', 'x')).catch((error: unknown) => error);
  expect(next).toBeInstanceOf(ServiceError);
  expect((next as ServiceError).cause).toMatchObject({ pleachCode: 'STORE_FULL' });
  expect(String((next as ServiceError).cause?.message)).toMatch(/is full.*Make room: writing goes on by itself/);
  for (const id of acknowledged) {
    const handle = client.workflow.getHandle<typeof talk>(id);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    expect((await handle.fetchHistory()).events.length).toBeGreaterThan(0);
  }
}

/** Asks again while the engine has not noticed that there is room: it looks every 2 s at the latest. */
async function untilTaken<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ServiceError) || !/is full/.test(error.message)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Everything that was acknowledged goes on to its end, and new work is taken. */
async function expectAllToEnd(client: Client, acknowledged: readonly string[]): Promise<void> {
  for (const id of acknowledged) {
    const handle = client.workflow.getHandle<typeof talk>(id);
    await untilTaken(() => handle.signal(done));
    expect(await handle.result()).toBe(LARGE);
  }
  const late = await client.workflow.start(talk, startOf('late', 'y'));
  await late.signal(done);
  expect(await late.result()).toBe('y');
}

/** A disk of 24 MB in a folder of its own; the test is skipped, and says so, where none can be mounted. */
function mountDisk(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'pleach-disk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', folder], { encoding: 'utf8' });
  if (mounted.status !== 0) {
    endUnrun(context, 'mount', mounted.error?.message ?? mounted.stderr.trim());
  }
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  return folder;
}

test('at its page limit a file takes nothing, is read as ever, and goes on from there when it may grow', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pleach-full-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'a.db');
  const small = await openEngine(path, 200);
  const { acknowledged, refusal } = await fill(small.client);
  expect(acknowledged.length).toBeGreaterThan(2);
  await expectFull(small.client, acknowledged, refusal);
  await small.close();
  const grown = await openEngine(path);
  await expectAllToEnd(grown.client, acknowledged);
  await grown.close();
  await expectSameInFile(path, workflowsPath);
}, 60_000);

test('on a full disk nothing acknowledged is lost, and the same engine goes on when there is room', async (context) => {
  const folder = mountDisk(context);
  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(21 << 20));
  const engine = await openEngine(join(folder, 'a.db'));
  const { acknowledged, refusal } = await fill(engine.client);
  expect(acknowledged.length).toBeGreaterThan(2);
  expect(statfsSync(folder).bavail).toBeLessThan(40);
  await expectFull(engine.client, acknowledged, refusal);
  rmSync(ballast);
  await expectAllToEnd(engine.client, acknowledged);
  await engine.close();
  await expectSameInFile(join(folder, 'a.db'), workflowsPath);
}, 60_000);

/** Starts a run, makes the file read-only and writable again: the engine is refused meanwhile, and then goes on. */
async function expectRefusedWhileReadOnly(path: string, set: (isWritable: boolean) => void): Promise<void> {
  const first = await openEngine(path);
  await first.client.workflow.start(talk, startOf('w', 'Ada'));
  await first.close();
  set(false);
  const refused: unknown = await NativeConnection.connect({ address: `sqlite:${path}` }).catch(
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(PleachError);
  expect(['STORE_READ_ONLY', 'DATABASE_UNOPENABLE']).toContain((refused as PleachError).code);
  expect((refused as PleachError).message).toMatch(/folder (is )?writable|may be written/);
  expect((refused as PleachError).message).toContain(path);
  set(true);
  const mended = await openEngine(path);
  await mended.client.workflow.getHandle('w').signal(done);
  expect(await mended.client.workflow.getHandle('w').result()).toBe('Ada');
  await mended.close();
  await expectSameInFile(path, workflowsPath);
}

test('on a read-only disk an engine is refused with what to mend, and opens when it may be written', async (context) => {
  const folder = mountDisk(context);
  await expectRefusedWhileReadOnly(join(folder, 'a.db'), (isWritable) => {
    const mode = isWritable ? 'remount,rw' : 'remount,ro';
    expect(spawnSync('mount', ['-o', mode, folder]).status).toBe(0);
  });
});

test('on a file that may not be changed an engine is refused with what to mend, and opens when it may', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'pleach-immutable-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'a.db');
  onTestFinished(() => void spawnSync('chattr', ['-i', path]));
  await expectRefusedWhileReadOnly(path, (isWritable) => {
    const set = spawnSync('chattr', [isWritable ? '-i' : '+i', path], { encoding: 'utf8' });
    if (set.status !== 0) endUnrun(context, 'immutable files', set.error?.message ?? set.stderr.trim());
    expect(set.stderr).toBe('');
  });
});
