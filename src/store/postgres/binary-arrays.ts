/**
 * Arrays as PostgreSQL's binary protocol has them. A commit travels as a few of these; as text the same rows cost half
 * again as much, most of it in escaping bodies.
 */

/** The array types that statements take, by the name of their element. */
export type ElementType = 'int4' | 'int8' | 'float8' | 'text' | 'uuid' | 'bytea';

const OIDS: Record<ElementType, number> = { bytea: 17, int8: 20, int4: 23, text: 25, float8: 701, uuid: 2950 };
const HEADER_BYTES = 20;
const TWO_32 = 2 ** 32;

/** One value of an array; undefined is null. */
export type Element = number | string | Uint8Array | undefined;

/** Encodes one array. `pg` sends a Buffer in binary form as it is. */
export function encodeArray(type: ElementType, values: readonly Element[]): Buffer {
  const parts = values.map((value) => (value === undefined ? undefined : encodeElement(type, value)));
  let length = HEADER_BYTES;
  for (const part of parts) length += 4 + (part?.length ?? 0);
  const array = Buffer.allocUnsafe(length);
  // An array of nothing has no dimension.
  array.writeInt32BE(values.length === 0 ? 0 : 1, 0);
  array.writeInt32BE(parts.includes(undefined) ? 1 : 0, 4);
  array.writeInt32BE(OIDS[type], 8);
  if (values.length === 0) return array.subarray(0, 12);
  array.writeInt32BE(values.length, 12);
  array.writeInt32BE(1, 16);
  let at = HEADER_BYTES;
  for (const part of parts) {
    array.writeInt32BE(part === undefined ? -1 : part.length, at);
    at += 4;
    if (part === undefined) continue;
    array.set(part, at);
    at += part.length;
  }
  return array;
}

function encodeElement(type: ElementType, value: number | string | Uint8Array): Uint8Array {
  switch (type) {
    case 'int4': {
      const bytes = Buffer.allocUnsafe(4);
      bytes.writeInt32BE(value as number);
      return bytes;
    }
    case 'int8': {
      const bytes = Buffer.allocUnsafe(8);
      const high = Math.floor((value as number) / TWO_32);
      bytes.writeInt32BE(high);
      bytes.writeUInt32BE((value as number) - high * TWO_32, 4);
      return bytes;
    }
    case 'float8': {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeDoubleBE(value as number);
      return bytes;
    }
    case 'text':
      return Buffer.from(value as string);
    case 'uuid':
      return Buffer.from((value as string).replaceAll('-', ''), 'hex');
    case 'bytea':
      return value as Uint8Array;
  }
}
