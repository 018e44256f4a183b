declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** One execution of a workflow: a UUIDv7 as 36 lower-case characters, so that ids sort by creation time. */
export type RunId = Branded<string, 'RunId'>;
/** What the user names a workflow; at most one run of it is open in a namespace. */
export type WorkflowId = Branded<string, 'WorkflowId'>;
/** A process that runs the kernel. */
export type NodeId = Branded<string, 'NodeId'>;
/** The index of a fixed share of all workflow ids, 0 to P-1. */
export type Partition = Branded<number, 'Partition'>;
/** A count of milliseconds since 1970-01-01T00:00Z. */
export type Instant = number;

/**
 * Writes a UUID of version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits.
 * @param at the instant that the id carries, in milliseconds
 * @param random sixteen random bytes; the first six are replaced by the time
 */
export function uuidV7(at: Instant, random: Uint8Array): string {
  const bytes = random.slice(0, 16);
  let rest = Math.floor(at);
  for (let i = 5; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return formatUuid(bytes);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Writes sixteen bytes as a UUID of 36 characters. */
export function formatUuid(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
    text += HEX[bytes[i]!];
  }
  return text;
}

/** Whether a text is a UUID as `formatUuid` writes it. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);
}
