import {
  type FromKernel,
  type KernelAddress,
  type KernelLink,
  registerAddressOpener,
  type RequestName,
  type Requests,
  type ToKernel,
} from '../../src/contract/index.ts';
import { type Clock, type ErrorCode, PleachError } from '../../src/core/index.ts';

type Handler<N extends RequestName> = (
  params: Requests[N]['params'],
) => Requests[N]['answer'] | Promise<Requests[N]['answer']>;
type Request = Extract<ToKernel, { kind: 'request' }>;

let kernels = 0;

/** The other end of a link, played by a test: it answers as it is told, and remembers what was said to it. */
export class FakeKernel implements KernelAddress {
  /** An address that opens links to this one. */
  readonly address: string;
  readonly isInThread = true;
  readonly clock?: Clock;
  /** Everything that was said, over all links, requests included. */
  readonly heard: ToKernel[] = [];
  readonly requests: Request[] = [];
  links = 0;
  openLinks = 0;
  releases = 0;
  /** Set: what opening a link waits for, or throws. */
  opening: (() => Promise<void>) | undefined;
  readonly #handlers = new Map<RequestName, Handler<RequestName>>();
  #receiver: Parameters<KernelLink['receive']>[0] | undefined;

  constructor(clock?: Clock) {
    this.address = `fake${++kernels}:`;
    if (clock) this.clock = clock;
    registerAddressOpener(this.address, async () => this);
  }

  /** Says how a request is answered. Without it, a request waits for ever. */
  on<N extends RequestName>(method: N, handler: Handler<N>): this {
    this.#handlers.set(method, handler as unknown as Handler<RequestName>);
    return this;
  }

  /** Says something to the peer. */
  say(message: FromKernel): void {
    this.#receiver?.message(structuredClone(message));
  }

  /** Breaks the link. */
  break(cause: unknown = new Error('gone')): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.openLinks = 0;
    receiver?.closed(cause);
  }

  /** What was heard of one kind. */
  heardOf<K extends ToKernel['kind']>(kind: K): Extract<ToKernel, { kind: K }>[] {
    return this.heard.filter((message): message is Extract<ToKernel, { kind: K }> => message.kind === kind);
  }

  async connect(): Promise<KernelLink> {
    await this.opening?.();
    this.links++;
    this.openLinks++;
    let own: Parameters<KernelLink['receive']>[0] | undefined;
    return {
      send: (message) => {
        // As over a socket: what cannot be JSON cannot be said.
        const heard = JSON.parse(JSON.stringify(message)) as ToKernel;
        this.heard.push(heard);
        if (heard.kind === 'request') void this.#answer(heard, () => own);
      },
      receive: (receiver) => {
        own = receiver;
        this.#receiver = receiver;
      },
      close: async () => {
        if (this.#receiver === own) this.#receiver = undefined;
        this.openLinks--;
      },
    };
  }

  async release(): Promise<void> {
    this.releases++;
  }

  async #answer(request: Request, receiver: () => Parameters<KernelLink['receive']>[0] | undefined): Promise<void> {
    this.requests.push(request);
    const { id } = request;
    const handler = this.#handlers.get(request.method);
    if (!handler) return;
    let message: FromKernel;
    try {
      message = { kind: 'response', id, answer: await handler(request.params) };
    } catch (error) {
      if (!(error instanceof PleachError)) throw error;
      message = { kind: 'response', id, error: { code: error.code, message: error.message, details: error.details } };
    }
    await Promise.resolve();
    // An answer over a link that has broken meanwhile reaches nobody.
    if (this.#receiver !== undefined && this.#receiver === receiver()) this.say(message);
  }
}

/** An error as the kernel tells of it. */
export function refusal(code: ErrorCode, details: Record<string, unknown> = {}): PleachError {
  return new PleachError(code, `the kernel says ${code}`, details);
}
