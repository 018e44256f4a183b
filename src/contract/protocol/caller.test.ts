import { describe, expect, it } from 'vitest';
import { FakeKernel, refusal } from '../../../test/fakes/fake-kernel.ts';
import { HandClock, quiet } from '../../../test/fakes/hand-clock.ts';
import { systemRandom } from '../../core/index.ts';
import { KernelCaller } from './caller.ts';
import { lazyCaller, openCaller } from './open-caller.ts';

const target = { namespace: 'default', workflowId: 'w' };
const signal = { target, name: 's', input: [], requestId: 'the-request', identity: 'me' };

function begin() {
  const clock = new HandClock();
  const kernel = new FakeKernel(clock);
  const caller = new KernelCaller(kernel, clock, systemRandom());
  return { clock, kernel, caller };
}

describe('a request', () => {
  it('is answered, and leaves no wait behind', async () => {
    const { clock, kernel, caller } = begin();
    kernel.on('signal', () => ({ runId: 'r' }));
    expect(await caller.call('signal', signal, { timeoutMs: 1000 })).toEqual({ runId: 'r' });
    expect(kernel.links).toBe(1);
    expect(clock.waiting).toBe(0);
  });

  it('is made again, with the same request id, while the kernel is overloaded or changing hands', async () => {
    const { clock, kernel, caller } = begin();
    const refusals = [refusal('RESOURCE_EXHAUSTED'), refusal('LEASE_LOST'), refusal('NODE_STOPPED')];
    kernel.on('signal', () => {
      const error = refusals.shift();
      if (error) throw error;
      return { runId: 'r' };
    });
    const answer = caller.call('signal', signal, { timeoutMs: 10_000 });
    await clock.advance(1000);
    expect(await answer).toEqual({ runId: 'r' });
    expect(kernel.requests).toHaveLength(4);
    expect(kernel.requests.map(({ params }) => (params as typeof signal).requestId)).toEqual(
      Array(4).fill('the-request'),
    );
    expect(new Set(kernel.requests.map(({ id }) => id)).size).toBe(4);
  });

  it('fails with the kernel’s last word at its deadline, and waits grow no longer than 5 s', async () => {
    const { clock, kernel, caller } = begin();
    const at: number[] = [];
    kernel.on('signal', () => {
      at.push(clock.now());
      throw refusal('RESOURCE_EXHAUSTED');
    });
    const answer = caller.call('signal', signal, { timeoutMs: 60_000 });
    const refused = answer.catch((error: unknown) => error);
    await clock.advance(60_000);
    expect(await refused).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    const waits = at.slice(1).map((time, index) => time - at[index]!);
    expect(waits.slice(0, 3).map(Math.round)).toEqual([20, 34, 58]);
    expect(Math.max(...waits)).toBe(5000);
  });

  it('is not made again after an answer that says no', async () => {
    const { kernel, caller } = begin();
    kernel.on('signal', () => {
      throw refusal('WORKFLOW_NOT_FOUND', { workflowId: 'w' });
    });
    await expect(caller.call('signal', signal)).rejects.toMatchObject({
      code: 'WORKFLOW_NOT_FOUND',
      details: { workflowId: 'w' },
    });
    expect(kernel.requests).toHaveLength(1);
  });

  it('goes over a new link when the old one breaks under it', async () => {
    const { clock, kernel, caller } = begin();
    const answer = caller.call('result', { target });
    await quiet();
    kernel.break();
    await clock.advance(100);
    kernel.break();
    kernel.on('result', () => ({ runId: 'r', status: 'COMPLETED' }));
    await clock.advance(100);
    expect(await answer).toMatchObject({ status: 'COMPLETED' });
    expect(kernel.links).toBe(3);
  });

  it('waits for ever where it has no deadline', async () => {
    const { clock, kernel, caller } = begin();
    const answer = caller.call('result', { target });
    for (let hours = 0; hours < 5; hours++) {
      await clock.advance(3_600_000);
      kernel.break();
    }
    kernel.on('result', () => ({ runId: 'r', status: 'FAILED' }));
    await clock.advance(10_000);
    expect(await answer).toMatchObject({ status: 'FAILED' });
  });

  it('that is not answered in time is DEADLINE_EXCEEDED, and the kernel hears that nobody waits', async () => {
    const { clock, kernel, caller } = begin();
    const answer = caller.call('signal', signal, { timeoutMs: 1000 });
    const refused = answer.catch((error: unknown) => error);
    await clock.advance(1000);
    expect(await refused).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(kernel.heardOf('abandon')).toEqual([{ kind: 'abandon', id: kernel.requests[0]!.id }]);
    expect(clock.waiting).toBe(0);
  });

  it('that is aborted is CALL_ABANDONED with the reason, while it waits and between tries', async () => {
    const { clock, kernel, caller } = begin();
    for (const isRefused of [false, true]) {
      if (isRefused)
        kernel.on('signal', () => {
          throw refusal('STORE_UNAVAILABLE');
        });
      const abort = new AbortController();
      const answer = caller.call('signal', signal, { signal: abort.signal });
      await quiet();
      abort.abort(new Error('enough'));
      await expect(answer).rejects.toMatchObject({ code: 'CALL_ABANDONED', cause: { message: 'enough' } });
    }
    expect(kernel.heardOf('abandon')).toHaveLength(1);
    expect(clock.waiting).toBe(0);
  });

  it('that was aborted before is never made', async () => {
    const { kernel, caller } = begin();
    await expect(caller.call('signal', signal, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CALL_ABANDONED',
    });
    expect(kernel.requests).toHaveLength(0);
  });

  it('does not wait past its deadline for a link either', async () => {
    const { clock, kernel, caller } = begin();
    kernel.opening = () => new Promise(() => undefined);
    const answer = caller.call('signal', signal, { timeoutMs: 500 });
    const refused = answer.catch((error: unknown) => error);
    await clock.advance(500);
    expect(await refused).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });
});

describe('a conversation', () => {
  it('tells its listener of every link, and looks for a new one though nobody asks anything', async () => {
    const { clock, kernel, caller } = begin();
    const said: string[] = [];
    caller.listen({
      opened: () => said.push('opened'),
      message: ({ kind }) => said.push(kind),
      closed: () => said.push('closed'),
    });
    await quiet();
    kernel.say({ kind: 'pong' });
    kernel.opening = () => Promise.reject(refusal('STORE_UNAVAILABLE'));
    kernel.break();
    await clock.advance(100);
    kernel.opening = undefined;
    await clock.advance(1000);
    expect(said).toEqual(['opened', 'pong', 'closed', 'opened']);
  });

  it('that is closed refuses what waits and what comes', async () => {
    const { kernel, caller } = begin();
    const answer = caller.call('result', { target });
    await quiet();
    const refused = answer.catch((error: unknown) => error);
    await caller.close();
    expect(await refused).toMatchObject({ code: 'CONNECTION_CLOSED' });
    await expect(caller.call('result', { target })).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    await caller.close();
    expect(kernel).toMatchObject({ releases: 1, openLinks: 0 });
  });

  it('that is closed while it opens leaves no link open', async () => {
    const { kernel, caller } = begin();
    const gate = Promise.withResolvers<void>();
    kernel.opening = () => gate.promise;
    const connected = caller.connect().catch((error: unknown) => error);
    await caller.close();
    gate.resolve();
    expect(await connected).toMatchObject({ code: 'CONNECTION_CLOSED' });
    expect(kernel).toMatchObject({ links: 1, openLinks: 0 });
  });

  it('has ids for effects that sort by time and are never the same', () => {
    const { caller } = begin();
    const ids = Array.from({ length: 1000 }, () => caller.newRequestId());
    expect(new Set(ids).size).toBe(1000);
  });
});

describe('opening', () => {
  it('fails at its time-out with the address, and gives the address up', async () => {
    const kernel = new FakeKernel();
    kernel.opening = () => new Promise(() => undefined);
    await expect(openCaller({ address: kernel.address, connectTimeoutMs: 5 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      details: { address: kernel.address, timeoutMs: 5 },
    });
    expect(kernel.releases).toBe(1);
  });

  it.each([[''], [7]])('refuses %j, which is no address', async (address) => {
    await expect(openCaller({ address: address as string })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('says which addresses there are for one that nobody opens', async () => {
    await expect(openCaller({ address: 'nowhere:7233' })).rejects.toMatchObject({ code: 'ADDRESS_UNSUPPORTED' });
  });

  it('is put off by a lazy conversation until something is asked, and tried again after it failed', async () => {
    const kernel = new FakeKernel().on('result', () => ({ runId: 'r', status: 'COMPLETED' }));
    const caller = lazyCaller({ address: kernel.address });
    expect(kernel.links).toBe(0);
    kernel.opening = () => Promise.reject(refusal('DATABASE_UNOPENABLE'));
    await expect(caller.call('result', { target })).rejects.toMatchObject({ code: 'DATABASE_UNOPENABLE' });
    kernel.opening = undefined;
    expect(await caller.call('result', { target })).toMatchObject({ status: 'COMPLETED' });
    await caller.close();
    expect(kernel.releases).toBe(1);
  });

  it('of a lazy conversation that was never used gives nothing up', async () => {
    const kernel = new FakeKernel();
    await lazyCaller({ address: kernel.address }).close();
    expect(kernel.releases).toBe(0);
  });
});
