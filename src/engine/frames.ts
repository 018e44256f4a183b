import { PleachError } from '../core/index.ts';

/** The longest frame that is taken in, in bytes; a longer one is a broken or hostile peer. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024;
const HEADER_BYTES = 4;

/** Writes a batch of messages as one frame: four bytes of length, then JSON. */
export function encodeFrame(batch: readonly unknown[]): Uint8Array {
  const body = Buffer.from(JSON.stringify(batch));
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #have = 0;

  /**
   * Takes bytes in and gives the batches that are whole.
   * @throws INVALID_ARGUMENT for a frame that is too long or is not JSON
   */
  read(chunk: Buffer): unknown[][] {
    this.#chunks.push(chunk);
    this.#have += chunk.length;
    const batches: unknown[][] = [];
    for (let frame = this.#next(); frame; frame = this.#next()) {
      const batch = JSON.parse(frame.toString('utf8')) as unknown;
      if (!Array.isArray(batch)) throw new PleachError('INVALID_ARGUMENT', 'a frame holds a list of messages', {});
      batches.push(batch);
    }
    return batches;
  }

  #next(): Buffer | undefined {
    if (this.#have < HEADER_BYTES) return undefined;
    let all = this.#chunks.length === 1 ? this.#chunks[0]! : this.#joined();
    const length = all.readUInt32BE(0);
    if (length > FRAME_BYTES_MAX)
      throw new PleachError('INVALID_ARGUMENT', `a frame of ${length} bytes is too long`, { length });
    if (this.#have < HEADER_BYTES + length) return undefined;
    all = this.#joined();
    this.#chunks = all.length > HEADER_BYTES + length ? [all.subarray(HEADER_BYTES + length)] : [];
    this.#have -= HEADER_BYTES + length;
    return all.subarray(HEADER_BYTES, HEADER_BYTES + length);
  }

  /** Joins what has come; only when the header is split or the frame is whole, so a long frame is copied once. */
  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }
}
