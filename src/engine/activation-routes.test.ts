import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { FromKernel, ToKernel } from '../contract/index.ts';
import { ActivationRoutes } from './activation-routes.ts';

const activate = (runId: string, token: number): Extract<FromKernel, { kind: 'activate' }> => ({
  kind: 'activate',
  workerId: 'w',
  activation: {
    runId,
    token,
    workflowId: runId,
    namespace: 'default',
    type: 't',
    baseSeq: 0,
    time: 0,
    historyLength: 0,
    historyBytes: 0,
    timeoutMs: 1,
    jobs: [],
  },
});

function open() {
  const routes = new ActivationRoutes();
  const byMain: FromKernel[] = [];
  const received: ToKernel[] = [];
  const channel = routes.through({ local: true, send: (message) => byMain.push(message) }, (message) =>
    received.push(message),
  );
  const { port1, port2 } = new MessageChannel();
  return { routes, channel, byMain, received, port1, port2 };
}

describe('the short way of activations', () => {
  it('is taken by activations and evictions alone, and brings results back', async () => {
    const { routes, channel, byMain, received, port1, port2 } = open();
    channel.send(activate('a', 1));
    expect(byMain).toHaveLength(1);
    routes.open('w', 0, 1, port2);
    channel.send(activate('a', 2));
    channel.send({ kind: 'registered', workerId: 'w' });
    const [text] = (await once(port1, 'message')) as [string];
    expect((JSON.parse(text) as FromKernel[]).map(({ kind }) => kind)).toEqual(['activate']);
    expect(byMain.map(({ kind }) => kind)).toEqual(['activate', 'registered']);
    const result: ToKernel = { kind: 'activated', workerId: 'w', runId: 'a', token: 2, result: { status: 'miss' } };
    port1.postMessage(JSON.stringify([result]));
    await once(port2, 'message');
    expect(received).toEqual([result]);
    port1.close();
    await once(port2, 'close');
    expect(byMain).toHaveLength(2);
  });

  it('hands what a thread had in hand to the main thread when the thread ends', async () => {
    const { routes, channel, byMain, port1, port2 } = open();
    routes.open('w', 0, 1, port2);
    channel.send(activate('a', 1));
    channel.send(activate('b', 2));
    await once(port1, 'message');
    port1.close();
    await once(port2, 'close');
    expect(byMain).toEqual([activate('a', 1), activate('b', 2)]);
    channel.send(activate('c', 3));
    expect(byMain).toHaveLength(3);
  });

  it('is closed to a run that has ended a thread', async () => {
    const { routes, channel, byMain, port1, port2 } = open();
    routes.open('w', 0, 1, port2);
    routes.divert('w', 'a');
    channel.send(activate('a', 1));
    channel.send(activate('b', 2));
    expect(byMain).toEqual([activate('a', 1)]);
    port1.close();
    await once(port2, 'close');
  });
});
