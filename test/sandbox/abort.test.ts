import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NativeConnection } from '../../src/entry/worker.ts';
import { endUnrun } from '../available.ts';
import {
  ABORTED,
  APART,
  CULPRIT,
  endOnceAndHeal,
  innocentsEnd,
  Place,
  type Program,
  startInnocents,
} from './abort-process.ts';

describe('workflow code that makes V8 abort its process', () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.clear());

  it('a match without end: the engine that is started again survives it, blocks the run and ends all others', async () => {
    expect(await endOnceAndHeal(place, 'hugeMatch')).toBe('mended');
  }, 60_000);

  const askedHugely = async (act: 'query' | 'update'): Promise<Program> => {
    const first = await place.run('broken-workflows.js');
    await first.ask({ act: 'start', workflowId: CULPRIT, type: 'answering', args: [] });
    expect(await first.ask({ act: 'query', workflowId: CULPRIT, name: 'fine' })).toBe('fine');
    first.ask({ act, workflowId: CULPRIT, name: 'huge' }).catch(() => undefined);
    expect(await first.ended).toMatch(ABORTED);
    return place.run('broken-workflows.js');
  };

  it('a query, which leaves no trace in the store, ends the engine once, and then fails alone', async () => {
    const second = await askedHugely('query');
    await expect(second.ask({ act: 'query', workflowId: CULPRIT, name: 'huge' })).rejects.toThrow(APART);
    expect(await second.ask({ act: 'query', workflowId: CULPRIT, name: 'fine' })).toBe('fine');
    await second.ask({ act: 'end', workflowId: CULPRIT });
    expect(await second.ask({ act: 'result', workflowId: CULPRIT })).toBe('ended');
  }, 60_000);

  it('an update, which leaves no trace in the store, ends the engine once, and then blocks its run', async () => {
    const second = await askedHugely('update');
    second.ask({ act: 'update', workflowId: CULPRIT, name: 'huge' }).catch(() => undefined);
    expect((await second.blocked(CULPRIT)).failure.message).toMatch(APART);
    await startInnocents(second);
    await innocentsEnd(second);
  }, 60_000);

  it('a worker process that it ends is not ended again, and the engine in another process hears why', async () => {
    // This process is the engine; the programs attach to it.
    const engine = await NativeConnection.connect({ address: `sqlite:${place.file}` });
    try {
      const first = await place.run('broken-workflows.js');
      await startInnocents(first);
      await first.ask({ act: 'start', workflowId: CULPRIT, type: 'hugeMatch', args: [] });
      expect(await first.ended).toMatch(ABORTED);
      const second = await place.run('broken-workflows.js');
      expect((await second.blocked(CULPRIT)).failure.message).toMatch(APART);
      await innocentsEnd(second);
      expect(await second.close()).toBe(0);
    } finally {
      await engine.close();
    }
  }, 60_000);

  it('a quarantine process dies with its worker’s process', async (context) => {
    if (!existsSync('/proc/self/task')) endUnrun(context, 'procfs', 'there is no /proc to see processes in');
    const second = await askedHugely('query');
    // Asked so soon after the death of the engine before it, the query is answered apart.
    expect(await second.ask({ act: 'query', workflowId: CULPRIT, name: 'fine' })).toBe('fine');
    const { pid } = second.child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    const apart = children.filter((id) => readFileSync(`/proc/${id}/cmdline`, 'utf8').includes('quarantine-process'));
    expect(apart.length).toBe(1);
    second.child.kill('SIGKILL');
    await second.ended;
    // It hears of it by its channel, and is not ours to wait for.
    while (isAlive(apart[0]!)) await new Promise((resolve) => setTimeout(resolve, 10));
  }, 60_000);
});

/** Whether a process runs; one that has ended and that nobody has asked after yet does not. */
function isAlive(pid: string): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
