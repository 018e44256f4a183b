import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Worker } from '../../src/entry/worker.ts';
import { openSuite, type Suite } from '../replay/suite.ts';
import { type InsideEnd, talk, tryInside } from './inside.ts';
import { publicSurface } from './public-surface.ts';
import { type ClientRoom, clientRows } from './rows-client.ts';
import { commonRows } from './rows-common.ts';
import { workerRows, type WorkerRoom } from './rows-worker.ts';
import { insideOnly, workflowRows } from './rows-workflow.ts';
import { hold, STUMBLES } from './trial.ts';

const workflowsPath = fileURLToPath(new URL('./inside.ts', import.meta.url));
let room: ClientRoom & WorkerRoom;
let suite: Suite;
let ids = 0;

beforeAll(async () => {
  suite = await openSuite('memory:input', { taskQueue: 'input', workflowsPath });
  const { client, clientConnection: connection, connection: nativeConnection } = suite;
  const stopped = await Worker.create({ connection: nativeConnection, taskQueue: 'other', activities: {} });
  await stopped.runUntil(async () => undefined);
  const start: ClientRoom['start'] = () => ({ workflowId: `w-${++ids}`, taskQueue: 'input', args: ['Ada'] });
  const handle = await client.workflow.start(talk, start());
  room = { client, connection, handle, start, nativeConnection, workflowsPath, stopped };
});

afterAll(() => suite.close(2));

/** Functions of the workflow API without arguments, and `continueAsNew`, whose arguments are the author's. */
const TAKE_NOTHING = new Set(['allHandlersFinished', 'continueAsNew', 'getCurrentDetails', 'uuid4', 'workflowInfo']);

const rows = { ...commonRows, ...workflowRows, ...clientRows, ...workerRows };

it('every exported function, constructor and method has a row of bad inputs, and so has every method of a handle', () => {
  const methods = Object.entries(room.handle).filter(([, value]) => typeof value === 'function');
  const surface = [...publicSurface(), ...methods.map(([name]) => `client.WorkflowHandle.${name}`)].toSorted();
  expect(Object.keys(rows).toSorted()).toEqual(surface);
});

describe('a bad input is refused with what it was and what to do, or taken where any may be given', () => {
  it.each(Object.entries(rows))('by %s', async (_name, row) => {
    const trials = row(room as never);
    expect(trials.length).toBeGreaterThan(0);
    for (const trial of trials) await hold(trial);
    // The engine still serves, and the run that was shouted at is what it was.
    expect(await room.handle.query('name')).toBe('Ada');
  });
});

it('inside a workflow, each bad call is refused with what it was and what to do, and the run goes on', async () => {
  const ends = await room.client.workflow.execute(tryInside, { ...room.start(), args: [] });
  expect(ends.length).toBeGreaterThan(150);
  const poor = ends.filter(({ error }: InsideEnd) => {
    if (!error) return true;
    const isTyped = ['TypeError', 'ValueError', 'IllegalStateError'].includes(error.name);
    return !isTyped || STUMBLES.test(error.message) || !/ (is|takes|must|needs|holds|cannot) .*; /.test(error.message);
  });
  expect(poor).toEqual([]);
  const tried = new Set(ends.map(({ name }: InsideEnd) => name.split(':')[0]));
  const withArguments = Object.keys(insideOnly).filter((name) => !TAKE_NOTHING.has(name));
  expect(withArguments.filter((name) => !tried.has(name))).toEqual([]);
});

it('after all of it the run ends as if nothing had happened', async () => {
  await room.handle.signal('done');
  expect(await room.handle.result()).toBe('Ada');
});
