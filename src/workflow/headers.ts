import { type Headers, payloadFromWire, payloadToWire, type WirePayloadMap } from '../common/index.ts';

/** Headers as they travel, where an interceptor has set any. @throws ValueError for a header that is no payload */
export function headersToWire(headers: Headers | undefined): { headers?: WirePayloadMap } {
  const entries = Object.entries(headers ?? {});
  if (entries.length === 0) return {};
  return { headers: Object.fromEntries(entries.map(([name, payload]) => [name, payloadToWire(payload)])) };
}

/** Headers as interceptors see them. */
export function headersFromWire(headers: WirePayloadMap | undefined): Headers {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, wire]) => [name, payloadFromWire(wire)]));
}
