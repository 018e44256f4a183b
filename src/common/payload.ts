import { decode, encode } from './encoding.ts';
import { ValueError } from './errors.ts';
import { shown, wrongArgument } from './shown.ts';

/** A value as converters and codecs see it: metadata that names the encoding, and bytes. */
export interface Payload {
  metadata?: Record<string, Uint8Array> | null;
  data?: Uint8Array | null;
}

/** The metadata key that names the encoding. */
export const METADATA_ENCODING_KEY = 'encoding';
/** The encodings of the default converter. */
export const encodingTypes = {
  METADATA_ENCODING_NULL: 'binary/null',
  METADATA_ENCODING_RAW: 'binary/plain',
  METADATA_ENCODING_JSON: 'json/plain',
} as const;

/** Turns values into payloads and back; deterministic, since it also runs inside workflows. */
export interface PayloadConverter {
  /** @returns the payload; undefined is refused by `toPayload` callers as a value that cannot be converted */
  toPayload<T>(value: T): Payload;
  fromPayload<T>(payload: Payload): T;
}

/** A converter for one encoding, for a composite. */
export interface PayloadConverterWithEncoding {
  readonly encodingType: string;
  toPayload<T>(value: T): Payload | undefined;
  fromPayload<T>(payload: Payload): T;
}

/** A payload that is passed on as it is. */
export class RawValue {
  readonly #payload: Payload;

  constructor(value: unknown, converter: PayloadConverter = defaultPayloadConverter) {
    this.#payload = converter.toPayload(value);
  }

  static fromPayload(payload: Payload): RawValue {
    requirePayload(payload);
    return new RawValue(payload, { toPayload: (p) => p as Payload, fromPayload: <T>(p: Payload) => p as T });
  }

  get payload(): Payload {
    return this.#payload;
  }
}

const named = (encoding: string): Record<string, Uint8Array> => ({ [METADATA_ENCODING_KEY]: encode(encoding) });

/** `undefined`, as no data. */
export class UndefinedPayloadConverter implements PayloadConverterWithEncoding {
  readonly encodingType = encodingTypes.METADATA_ENCODING_NULL;

  toPayload(value: unknown): Payload | undefined {
    return value === undefined ? { metadata: named(this.encodingType) } : undefined;
  }

  fromPayload<T>(_payload: Payload): T {
    return undefined as T;
  }
}

/** `Uint8Array`, as it is. */
export class BinaryPayloadConverter implements PayloadConverterWithEncoding {
  readonly encodingType = encodingTypes.METADATA_ENCODING_RAW;

  toPayload(value: unknown): Payload | undefined {
    return isBytes(value) ? { metadata: named(this.encodingType), data: value } : undefined;
  }

  fromPayload<T>(payload: Payload): T {
    return new Uint8Array(requirePayload(payload).data ?? []) as T;
  }
}

/** Everything that JSON can say. */
export class JsonPayloadConverter implements PayloadConverterWithEncoding {
  readonly encodingType = encodingTypes.METADATA_ENCODING_JSON;

  toPayload(value: unknown): Payload | undefined {
    if (value === undefined) return undefined;
    const text = jsonOf(value);
    return text === undefined ? undefined : { metadata: named(this.encodingType), data: encode(text) };
  }

  fromPayload<T>(payload: Payload): T {
    return parseJson<T>(decode(requirePayload(payload).data));
  }
}

/** Tries converters in turn; reads by the encoding that the payload names. */
export class CompositePayloadConverter implements PayloadConverter {
  readonly converters: readonly PayloadConverterWithEncoding[];
  readonly #byEncoding: Map<string, PayloadConverterWithEncoding>;

  constructor(...converters: PayloadConverterWithEncoding[]) {
    if (converters.length === 0)
      throw new TypeError('a composite converter needs at least one converter; there is none');
    for (const converter of converters) {
      if (typeof converter?.toPayload !== 'function' || typeof converter.fromPayload !== 'function')
        throw wrongArgument('a composite converter', 'takes converters with toPayload and fromPayload', converter);
    }
    this.converters = converters;
    this.#byEncoding = new Map(converters.map((converter) => [converter.encodingType, converter]));
  }

  toPayload<T>(value: T): Payload {
    if (value instanceof RawValue) return value.payload;
    for (const converter of this.converters) {
      const payload = converter.toPayload(value);
      if (payload !== undefined) return payload;
    }
    throw notConverted(value);
  }

  fromPayload<T>(payload: Payload): T {
    const encoding = requirePayload(payload).metadata![METADATA_ENCODING_KEY];
    const converter = this.#byEncoding.get(decode(encoding));
    if (!converter)
      throw new ValueError(
        `no converter reads the encoding "${decode(encoding)}"; there are ${[...this.#byEncoding.keys()].join(', ')}`,
      );
    return converter.fromPayload<T>(payload);
  }
}

/** The converters of the default, in order. */
export class DefaultPayloadConverter extends CompositePayloadConverter {
  constructor() {
    super(new UndefinedPayloadConverter(), new BinaryPayloadConverter(), new JsonPayloadConverter());
  }
}

/** What converts values where nothing else is set: undefined, bytes, JSON. */
export const defaultPayloadConverter: PayloadConverter = new DefaultPayloadConverter();

/**
 * The payload, where it is one: with an encoding, and bytes.
 * @throws ValueError for anything else that a converter or codec may have made
 */
export function requirePayload(payload: Payload): Payload {
  const named = payload?.metadata?.[METADATA_ENCODING_KEY];
  const { data } = payload ?? {};
  if (isBytes(named) && (data === undefined || data === null || isBytes(data))) return payload;
  throw new ValueError(
    `a payload is { metadata: { encoding: bytes }, data: bytes }, this is ${shown(payload)}; look at the payload converter or codec that made it`,
  );
}

/**
 * The JSON of a value, or undefined for one that JSON leaves out (a function, a symbol).
 * @throws ValueError for a circle, a bigint, a getter that throws
 */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value) as string | undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ValueError(
      `${shown(value)} cannot be converted to a payload: ${why}; pass plain data, or set a payload converter that takes it`,
      error,
    );
  }
}

/** Reads JSON back. @throws ValueError for text that is none */
export function parseJson<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new ValueError(
      `a payload says that it is JSON and is not: ${shown(text)}; look at the payload converter or codec that made it`,
      error,
    );
  }
}

/** The error for a value that no converter takes. */
export function notConverted(value: unknown): ValueError {
  return new ValueError(
    `a value of type ${typeof value} cannot be converted to a payload: ${shown(value)}; pass plain data, or set a payload converter that takes it`,
  );
}

/** Encodes payloads as bytes and back (encryption, compression); runs in clients and workers, never in a workflow. */
export interface PayloadCodec {
  encode(payloads: Payload[]): Promise<Payload[]>;
  decode(payloads: Payload[]): Promise<Payload[]>;
}

/** Whether a value is a Uint8Array, of this realm or another. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]';
}
