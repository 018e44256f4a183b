import { codeWire, type LoadedDataConverter, toWire, type WirePayload } from '../common/index.ts';
import type { Clock, Wait } from '../core/index.ts';

/** The heartbeats of one attempt: the first is sent at once, and then at most one in each interval, the last of them. */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #converter: LoadedDataConverter;
  readonly #send: (details: WirePayload[] | undefined) => void;
  #wait: Wait | undefined;
  #held: { details: unknown } | undefined;
  /** What is being encoded, in order: a codec that is slow does not let a later heartbeat overtake. */
  #sending: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(
    clock: Clock,
    everyMs: number,
    converter: LoadedDataConverter,
    send: (details: WirePayload[] | undefined) => void,
  ) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#converter = converter;
    this.#send = send;
  }

  /** @throws what the payload converter throws: details that cannot be converted are the author's mistake */
  beat(details: unknown): void {
    if (this.#isStopped) return;
    if (this.#wait) this.#held = { details };
    else this.#begin(details);
  }

  /** Ends them. @param isFlushed whether what is held back is sent first: the next attempt is told of it */
  async stop(isFlushed: boolean): Promise<void> {
    if (this.#isStopped) return;
    const held = this.#held;
    this.#held = undefined;
    this.#wait?.clear();
    if (isFlushed && held) this.#begin(held.details);
    if (isFlushed) await this.#sending;
    this.#isStopped = true;
    this.#wait?.clear();
  }

  #begin(details: unknown): void {
    const { payloadConverter, payloadCodecs } = this.#converter;
    const wire = details === undefined ? undefined : [toWire(payloadConverter, details)];
    this.#wait = this.#clock.after(this.#everyMs, () => {
      this.#wait = undefined;
      const next = this.#held;
      this.#held = undefined;
      if (next) this.beat(next.details);
    });
    if (payloadCodecs.length === 0) {
      this.#send(wire);
      return;
    }
    this.#sending = this.#sending
      .then(() => codeWire({ details: wire }, payloadCodecs, 'encode'))
      .then((coded) => {
        if (!this.#isStopped) this.#send(coded.details);
      })
      // A codec that fails costs its details, not the attempt: its end is encoded too, and says so.
      .catch(() => this.#send(undefined));
  }
}
