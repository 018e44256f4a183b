import { decode, decodeIfUtf8, encode, fromBase64, toBase64 } from './encoding.ts';
import { ValueError } from './errors.ts';
import {
  defaultPayloadConverter,
  encodingTypes,
  jsonOf,
  METADATA_ENCODING_KEY,
  notConverted,
  parseJson,
  requirePayload,
  type Payload,
  type PayloadCodec,
  type PayloadConverter,
  RawValue,
  isBytes,
} from './payload.ts';
import { shown } from './shown.ts';
import type { EncodedPayload, WirePayload, WirePayloadMap } from './wire/index.ts';

/** Writes a payload as it travels. */
export function payloadToWire(payload: Payload): WirePayload {
  const encoding = decode(requirePayload(payload).metadata![METADATA_ENCODING_KEY]);
  const others = Object.entries(payload.metadata ?? {}).filter(([key]) => key !== METADATA_ENCODING_KEY);
  const text = payload.data ? decodeIfUtf8(payload.data) : undefined;
  if (encoding === encodingTypes.METADATA_ENCODING_JSON && others.length === 0 && text !== undefined) return text;
  const wire: EncodedPayload = { encoding };
  if (payload.data) {
    if (text !== undefined && encoding !== encodingTypes.METADATA_ENCODING_RAW) wire.text = text;
    else wire.base64 = toBase64(payload.data);
  }
  if (others.length > 0) wire.metadata = Object.fromEntries(others.map(([key, value]) => [key, toBase64(value)]));
  return wire;
}

/** Reads one back. */
export function payloadFromWire(wire: WirePayload): Payload {
  if (typeof wire === 'string') {
    return { metadata: { [METADATA_ENCODING_KEY]: encode(encodingTypes.METADATA_ENCODING_JSON) }, data: encode(wire) };
  }
  const metadata: Record<string, Uint8Array> = Object.fromEntries([
    [METADATA_ENCODING_KEY, encode(wire.encoding)],
    ...Object.entries(wire.metadata ?? {}).map(([key, value]) => [key, fromBase64(value)] as const),
  ]);
  if (wire.text !== undefined) return { metadata, data: encode(wire.text) };
  return wire.base64 === undefined ? { metadata } : { metadata, data: fromBase64(wire.base64) };
}

/** Writes a value as it travels. JSON under the default converter, nearly everything, is its text and no bytes. */
export function toWire(converter: PayloadConverter, value: unknown): WirePayload {
  if (converter !== defaultPayloadConverter || value instanceof RawValue)
    return payloadToWire(converter.toPayload(value));
  if (value === undefined) return { encoding: encodingTypes.METADATA_ENCODING_NULL };
  if (isBytes(value)) return { encoding: encodingTypes.METADATA_ENCODING_RAW, base64: toBase64(value) };
  const text = jsonOf(value);
  if (text === undefined) throw notConverted(value);
  return text;
}

/** Reads a value back. */
export function fromWire<T = unknown>(converter: PayloadConverter, wire: WirePayload | undefined): T {
  if (wire === undefined) return undefined as T;
  if (typeof wire === 'string' && converter === defaultPayloadConverter) return parseJson<T>(wire);
  return converter.fromPayload<T>(payloadFromWire(wire));
}

/** Writes arguments. */
export function toWireList(converter: PayloadConverter, values: readonly unknown[]): WirePayload[] {
  return values.map((value) => toWire(converter, value));
}

/** Reads arguments. */
export function fromWireList(converter: PayloadConverter, list: readonly WirePayload[] | undefined): unknown[] {
  return (list ?? []).map((wire) => fromWire(converter, wire));
}

/** Writes named values. */
export function toWireMap(
  converter: PayloadConverter,
  map: Record<string, unknown> | undefined,
): WirePayloadMap | undefined {
  if (!map) return undefined;
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, toWire(converter, value)]));
}

/** Reads named values. */
export function fromWireMap(converter: PayloadConverter, map: WirePayloadMap | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map ?? {}).map(([key, wire]) => [key, fromWire(converter, wire)]));
}

/** How a field of that name holds payloads, in jobs, commands, tasks and failures. */
const HOLDS: Record<string, 'one' | 'list' | 'map'> = {
  value: 'one',
  lastResult: 'one',
  encodedAttributes: 'one',
  input: 'list',
  details: 'list',
  heartbeatDetails: 'list',
  lastHeartbeatDetails: 'list',
  memo: 'map',
};
/** Not encoded: the first are read by lists, the second by interceptors, which have no codec. */
const LEFT_ALONE = new Set(['searchAttributes', 'headers']);

/** Runs codecs over every payload inside a message (jobs, commands, outcomes), leaving the rest as it is. */
export async function codeWire<T>(
  message: T,
  codecs: readonly PayloadCodec[],
  direction: 'encode' | 'decode',
): Promise<T> {
  if (codecs.length === 0) return message;
  const order = direction === 'encode' ? [...codecs].reverse() : codecs;
  const run = async (wires: WirePayload[]): Promise<WirePayload[]> => {
    let payloads = wires.map(payloadFromWire);
    for (const codec of order) {
      const coded = await codec[direction](payloads);
      if (!Array.isArray(coded) || coded.length !== payloads.length) {
        throw new ValueError(
          `a payload codec's ${direction} gives back one payload for each of the ${payloads.length} it is given; this gave ${Array.isArray(coded) ? coded.length : shown(coded)}`,
        );
      }
      payloads = coded;
    }
    return payloads.map(payloadToWire);
  };
  const codeField = async (key: string, field: unknown): Promise<unknown> => {
    if (field === undefined || LEFT_ALONE.has(key)) return field;
    const holds = Object.hasOwn(HOLDS, key) ? HOLDS[key] : undefined;
    if (holds === 'one') return (await run([field as WirePayload]))[0];
    // `details` of a command that tells people something is text, and is theirs to read.
    if (holds === 'list') return Array.isArray(field) ? run(field as WirePayload[]) : field;
    if (holds === 'map') {
      const names = Object.keys(field as WirePayloadMap);
      const coded = await run(Object.values(field as WirePayloadMap));
      return Object.fromEntries(names.map((name, index) => [name, coded[index]]));
    }
    return code(field);
  };
  const code = async (value: unknown): Promise<unknown> => {
    if (Array.isArray(value)) return Promise.all(value.map(code));
    if (typeof value !== 'object' || value === null) return value;
    const fields = await Promise.all(
      Object.entries(value).map(async ([key, field]) => [key, await codeField(key, field)] as const),
    );
    return Object.fromEntries(fields);
  };
  return (await code(message)) as T;
}
