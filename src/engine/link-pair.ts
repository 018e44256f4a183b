import type { FromKernel, KernelLink, ToKernel } from '../contract/index.ts';
import type { PleachError } from '../core/index.ts';
import type { PeerChannel } from '../kernel/index.ts';

/** What a link's far end is to the code that carries its messages. */
export interface LinkEnd {
  /** Messages have come from the kernel. */
  deliver(messages: readonly FromKernel[]): void;
  /** The channel is gone. */
  closed(cause?: unknown): void;
}

/**
 * Makes a peer's end of a channel, whatever carries it. Messages of one turn of the loop travel together.
 * @param carry takes a batch to the kernel
 */
export function makeLink(
  carry: (batch: ToKernel[]) => void,
  close: () => Promise<void>,
): { link: KernelLink; end: LinkEnd } {
  let handler: Parameters<KernelLink['receive']>[0] | undefined;
  let early: FromKernel[] = [];
  let isClosed = false;
  let cause: unknown;
  const batch = batcher<ToKernel>((messages) => {
    if (!isClosed) carry(messages);
  });
  const link: KernelLink = {
    send: batch,
    receive(next) {
      handler = next;
      const waiting = early;
      early = [];
      for (const message of waiting) next.message(message);
      if (isClosed) next.closed(cause);
    },
    close,
  };
  const end: LinkEnd = {
    deliver(messages) {
      if (isClosed) return;
      if (!handler) early.push(...messages);
      else for (const message of messages) handler.message(message);
    },
    closed(why) {
      if (isClosed) return;
      isClosed = true;
      cause = why;
      handler?.closed(why);
    },
  };
  return { link, end };
}

/** Makes the kernel's end of a channel. */
export function makeChannel(
  local: boolean,
  carry: (batch: FromKernel[]) => void,
  ended: (error: PleachError) => void,
): PeerChannel {
  return { local, send: batcher(carry), ended };
}

/** Gathers what is said within one turn and hands it on at its end. */
export function batcher<Message>(carry: (batch: Message[]) => void): (message: Message) => void {
  let waiting: Message[] = [];
  return (message) => {
    waiting.push(message);
    if (waiting.length > 1) return;
    queueMicrotask(() => {
      const batch = waiting;
      waiting = [];
      carry(batch);
    });
  };
}
