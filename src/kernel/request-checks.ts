import type { WirePayload } from '../common/index.ts';
import { LIMITS, PleachError } from '../core/index.ts';

/** @throws INVALID_ARGUMENT */
export function requireName(what: string, name: unknown): void {
  if (typeof name === 'string' && name.length > 0 && name.length <= LIMITS.nameCharactersMax) return;
  const found = typeof name === 'string' ? `${name.length} characters` : typeof name;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `a ${what} is 1 to ${LIMITS.nameCharactersMax} characters of text; this one is ${found}`,
    { what, found },
  );
}

/** @returns their bytes @throws PAYLOAD_MALFORMED · LIMIT_EXCEEDED */
export function requirePayloads(input: unknown): number {
  if (!Array.isArray(input)) throw new PleachError('PAYLOAD_MALFORMED', 'arguments are a list of payloads', {});
  for (const payload of input as unknown[]) {
    const isEncoded =
      payload && typeof payload === 'object' && typeof (payload as { encoding?: unknown }).encoding === 'string';
    if (typeof payload === 'string' || isEncoded) continue;
    throw new PleachError('PAYLOAD_MALFORMED', 'a payload is a text of JSON, or an encoding with its data', {
      found: typeof payload,
    });
  }
  const bytes = payloadBytes(input as WirePayload[]);
  if (bytes > LIMITS.requestBytesMax) {
    throw new PleachError(
      'LIMIT_EXCEEDED',
      `the arguments have ${bytes} bytes; a request may have ${LIMITS.requestBytesMax}. Store the data and pass a reference`,
      {
        bytes,
        requestBytesMax: LIMITS.requestBytesMax,
      },
    );
  }
  return bytes;
}

/** The size of payloads as they are stored; text that is not ASCII counts by its characters. */
export function payloadBytes(input: readonly WirePayload[] | undefined): number {
  let bytes = 0;
  for (const payload of input ?? []) {
    bytes += typeof payload === 'string' ? payload.length : (payload.text?.length ?? payload.base64?.length ?? 0);
  }
  return bytes;
}
