import type { Json } from './proto-json.ts';

/** JSON merge patches (RFC 7386): what one object has that another has not; null takes a field away. */

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether two JSON values are the same; the order of fields does not matter, one without a value is none. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((value, index) => sameJson(value, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) if (!sameJson(a[key], b[key])) return false;
  return true;
}

/** The patch that makes `from` into `to`; undefined where they are the same. */
export function patchBetween(from: Json, to: Json): Json | undefined {
  const patch: Json = {};
  for (const key of Object.keys(from)) if (to[key] === undefined && from[key] !== undefined) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    const before = from[key];
    if (value === undefined || sameJson(before, value)) continue;
    patch[key] = isObject(before) && isObject(value) ? patchBetween(before, value) : value;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** What a patch makes of an object. */
export function patched(from: Json, patch: Json): Json {
  const out: Json = { ...from };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = isObject(value) && isObject(out[key]) ? patched(out[key], value) : value;
  }
  return out;
}
