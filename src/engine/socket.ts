import { createHash } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FromKernel, KernelLink, ToKernel } from '../contract/index.ts';
import { type Clock, LIMITS, messageOf, PleachError } from '../core/index.ts';
import type { KernelNode } from '../kernel/index.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import { makeChannel, makeLink } from './link-pair.ts';

/** What the system takes as a socket's path, less a little. */
const SOCKET_PATH_BYTES_MAX = 100;

/** Where the engine of a file listens: beside it, or, where that path is too long for a socket, in the temporary folder. */
export function socketPath(file: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\pleach-${digest(file)}`;
  const beside = `${file}.sock`;
  return Buffer.byteLength(beside) <= SOCKET_PATH_BYTES_MAX ? beside : join(tmpdir(), `pleach-${digest(file)}.sock`);
}

function digest(file: string): string {
  return createHash('sha256').update(file).digest('hex').slice(0, 24);
}

/** Removes a dead engine's socket: the lease is held, so whatever lies at the path is one. */
export function removeSocket(path: string): void {
  if (process.platform !== 'win32') rmSync(path, { force: true });
}

/** Whether a socket lies at the path that nobody listens on: whoever made it is dead. */
export async function isDead(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(false));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    });
  } finally {
    socket.destroy();
  }
}

/** Lets the other processes on a file in. The lease is held. */
export async function listen(path: string, node: KernelNode, clock: Clock): Promise<Server> {
  removeSocket(path);
  const server = createServer((socket) => serve(socket, node, clock));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  // The same user only: whoever can open the socket can do all that the file's owner can.
  if (process.platform !== 'win32') chmodSync(path, 0o600);
  server.unref();
  return server;
}

function serve(socket: Socket, node: KernelNode, clock: Clock): void {
  const reader = new FrameReader();
  let lastHeardMs = clock.monotonicMs();
  const peer = node.connect(
    makeChannel(
      false,
      (batch) => {
        if (!socket.destroyed) socket.write(encodeFrame(batch));
      },
      () => socket.destroy(),
    ),
  );
  const watch = clock.every(LIMITS.pingMs, () => {
    // A peer pings every 5 s; three missed are a half-open socket.
    if (clock.monotonicMs() - lastHeardMs > 3 * LIMITS.pingMs) socket.destroy();
  });
  socket.on('data', (chunk: Buffer) => {
    lastHeardMs = clock.monotonicMs();
    try {
      for (const batch of reader.read(chunk)) for (const message of batch) peer.receive(message as ToKernel);
    } catch (error) {
      node.log.warn('a peer sent what cannot be read', { message: messageOf(error) });
      socket.destroy();
    }
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    watch.clear();
    peer.closed();
  });
}

/**
 * Attaches to the engine of a file.
 * @throws CONNECTION_CLOSED where nobody listens; `details.isDead` where a socket is there that nobody listens on: its
 *   engine is dead. Else it may not listen yet
 */
export async function attach(path: string, clock: Clock): Promise<KernelLink> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) =>
      reject(
        new PleachError(
          'CONNECTION_CLOSED',
          `nobody listens at ${path} (${messageOf(error)})`,
          { path, isDead: (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' },
          { cause: error },
        ),
      ),
    );
  });
  const reader = new FrameReader();
  let lastHeardMs = clock.monotonicMs();
  const { link, end } = makeLink(
    (batch) => {
      if (!socket.destroyed) socket.write(encodeFrame(batch));
    },
    async () => {
      socket.end();
      end.closed();
    },
  );
  const ping = clock.every(LIMITS.pingMs, () => {
    if (clock.monotonicMs() - lastHeardMs > 3 * LIMITS.pingMs) socket.destroy();
    else link.send({ kind: 'ping' });
  });
  socket.on('data', (chunk: Buffer) => {
    lastHeardMs = clock.monotonicMs();
    try {
      for (const batch of reader.read(chunk))
        end.deliver((batch as FromKernel[]).filter((message) => message.kind !== 'pong'));
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
    }
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    ping.clear();
    end.closed(new PleachError('CONNECTION_CLOSED', 'the engine of this database went away', { path }));
  });
  return link;
}
