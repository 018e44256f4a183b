import type { Server } from 'node:net';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { ToKernel } from '../contract/index.ts';
import { assert, type Log, messageOf, PleachError, systemClock, systemRandom } from '../core/index.ts';
import { KernelNode } from '../kernel/index.ts';
import { SqliteStore, type Store } from '../store/index.ts';
import { ActivationRoutes } from './activation-routes.ts';
import { makeChannel } from './link-pair.ts';
import { isDead, listen, removeSocket, socketPath } from './socket.ts';
import type { FromThread, ThreadData, ToThread } from './thread-messages.ts';

/**
 * The kernel's thread: machine, journal, lease and database live here, and no user code does. The wait for the disk
 * stops only this thread, and gathers the next commit.
 */
assert(parentPort, 'the kernel thread is started as a worker thread');
const host = parentPort;
const { file, deadNode, options } = workerData as ThreadData;
const say = (message: FromThread): void => host.postMessage(message);

const log: Log = {
  debug: (message, fields) => say({ kind: 'log', level: 'debug', message, fields }),
  info: (message, fields) => say({ kind: 'log', level: 'info', message, fields }),
  warn: (message, fields) => say({ kind: 'log', level: 'warn', message, fields }),
  error: (message, fields) => say({ kind: 'log', level: 'error', message, fields }),
};

let node: KernelNode | undefined;
let server: Server | undefined;
const routes = new ActivationRoutes();

async function open(): Promise<void> {
  let store: SqliteStore | undefined;
  try {
    store = new SqliteStore(file, systemClock, options);
    const wrapper =
      options.storeWrapper === undefined
        ? undefined
        : ((await import(options.storeWrapper)) as { wrapStore(inner: Store): Store });
    const wrapped = wrapper?.wrapStore(store) ?? store;
    node = await openNode(wrapped, deadNode).catch(async (error: unknown) => {
      const isHeld = error instanceof PleachError && error.code === 'DATABASE_IN_USE' && deadNode === undefined;
      if (!isHeld || !(await isDead(socketPath(file)))) throw error;
      // The holder died: taken over here and now, where a second thread would have to start for it.
      return openNode(wrapped, error.details['holder'] as string);
    });
    server = await listen(socketPath(file), node, systemClock);
    say({ kind: 'opened' });
  } catch (error) {
    await store?.close();
    const failure = error instanceof PleachError ? error : new PleachError('UNEXPECTED', messageOf(error), {});
    say({ kind: 'failed', error: { code: failure.code, message: failure.message, details: { ...failure.details } } });
  }
}

function openNode(store: Store, dead: string | undefined): Promise<KernelNode> {
  return KernelNode.open({
    store,
    clock: systemClock,
    random: systemRandom(),
    log,
    ...(dead === undefined ? {} : { deadNode: dead }),
    ...(options.leaseTtlMs === undefined ? {} : { leaseTtlMs: options.leaseTtlMs }),
    ...(options.cachedRunsMax === undefined ? {} : { cachedRunsMax: options.cachedRunsMax }),
    // Whoever finds a dead engine's socket takes over from it; this engine is alive, though it does not listen yet.
    acquired: () => removeSocket(socketPath(file)),
    ended: (error) => {
      server?.close();
      say({
        kind: 'ended',
        error: error && { code: error.code, message: error.message, details: { ...error.details } },
      });
    },
  });
}

function serve(port: MessagePort): void {
  assert(node, 'a link before the node was open');
  const peer = node.connect(
    routes.through(
      makeChannel(
        true,
        (batch) => port.postMessage(JSON.stringify(batch)),
        () => port.close(),
      ),
      (message) => peer.receive(message),
    ),
  );
  port.on('message', (text: string) => {
    for (const message of JSON.parse(text) as ToKernel[]) peer.receive(message);
  });
  port.on('close', () => peer.closed());
}

host.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'link':
      serve(message.port);
      return;
    case 'route':
      routes.open(message.workerId, message.lane, message.lanes, message.port);
      return;
    case 'divert':
      routes.divert(message.workerId, message.runId);
      return;
    case 'figures':
      say({
        kind: 'figures',
        id: message.id,
        figures: { ...node?.journal.counts, ...node?.activations.counts, cpuMicros: process.threadCpuUsage() },
      });
      return;
    case 'stop':
      void (async () => {
        await node?.stop();
        await node?.store.close();
        say({ kind: 'stopped' });
        host.close();
      })();
      return;
  }
});

await open();
