import type { PayloadConverter } from './payload.ts';
import { fromWire, toWire } from './wire-payload.ts';
import type { WirePayloadMap } from './wire/index.ts';

/** What a search attribute may hold. */
export const SearchAttributeType = {
  TEXT: 'TEXT',
  KEYWORD: 'KEYWORD',
  INT: 'INT',
  DOUBLE: 'DOUBLE',
  BOOL: 'BOOL',
  DATETIME: 'DATETIME',
  KEYWORD_LIST: 'KEYWORD_LIST',
} as const;
/** See the constant of this name. */
export type SearchAttributeType = (typeof SearchAttributeType)[keyof typeof SearchAttributeType];

/** Untyped attributes: a list of values for each name. */
export type SearchAttributes = Record<string, SearchAttributeValue | readonly SearchAttributeValue[] | undefined>;
/** One value of an attribute. */
export type SearchAttributeValue = string | number | boolean | Date;

interface ValueOf {
  TEXT: string;
  KEYWORD: string;
  INT: number;
  DOUBLE: number;
  BOOL: boolean;
  DATETIME: Date;
  KEYWORD_LIST: string[];
}

/** The name of an attribute with its type. */
export interface SearchAttributeKey<T extends SearchAttributeType = SearchAttributeType> {
  name: string;
  type: T;
}

/** A key with a value; null takes the attribute away. */
export type SearchAttributePair = {
  [T in SearchAttributeType]: { key: SearchAttributeKey<T>; value: ValueOf[T] | null };
}[SearchAttributeType];

/** Names an attribute with its type. */
export function defineSearchAttributeKey<T extends SearchAttributeType>(name: string, type: T): SearchAttributeKey<T> {
  return { name, type };
}

/** Attributes that are read and written by typed keys. */
export class TypedSearchAttributes {
  readonly #pairs = new Map<string, SearchAttributePair>();

  constructor(pairs: readonly SearchAttributePair[] = []) {
    for (const pair of pairs) {
      if (this.#pairs.has(pair.key.name)) throw new Error(`search attribute "${pair.key.name}" is given twice`);
      this.#pairs.set(pair.key.name, pair);
    }
  }

  get<T extends SearchAttributeType>(key: SearchAttributeKey<T>): ValueOf[T] | undefined {
    const pair = this.#pairs.get(key.name);
    return pair?.key.type === key.type ? ((pair.value ?? undefined) as ValueOf[T] | undefined) : undefined;
  }

  getAll(): SearchAttributePair[] {
    return [...this.#pairs.values()];
  }

  copy(): TypedSearchAttributes {
    return new TypedSearchAttributes(this.getAll());
  }

  updateCopy(pairs: readonly SearchAttributePair[]): TypedSearchAttributes {
    const merged = new Map(this.#pairs);
    for (const pair of pairs) merged.set(pair.key.name, pair);
    return new TypedSearchAttributes([...merged.values()].filter(({ value }) => value !== null));
  }
}

/** Writes attributes, untyped and typed, as they travel: each a JSON payload with its type in the metadata where known. */
export function searchAttributesToWire(
  converter: PayloadConverter,
  untyped: SearchAttributes | undefined,
  typed: readonly SearchAttributePair[] | TypedSearchAttributes | undefined,
): WirePayloadMap | undefined {
  const map: WirePayloadMap = {};
  for (const [name, value] of Object.entries(untyped ?? {}))
    if (value !== undefined) map[name] = toWire(converter, value);
  for (const { key, value } of typed instanceof TypedSearchAttributes ? typed.getAll() : (typed ?? [])) {
    map[key.name] = { encoding: 'json/plain', text: JSON.stringify(value), metadata: { type: key.type } };
  }
  return Object.keys(map).length > 0 ? map : undefined;
}

/** Reads attributes back, both ways. */
export function searchAttributesFromWire(
  converter: PayloadConverter,
  map: WirePayloadMap | undefined,
): { untyped: SearchAttributes; typed: TypedSearchAttributes } {
  const untyped: SearchAttributes = {};
  const pairs: SearchAttributePair[] = [];
  for (const [name, wire] of Object.entries(map ?? {})) {
    const type = typeof wire === 'object' ? (wire.metadata?.['type'] as SearchAttributeType | undefined) : undefined;
    let value =
      typeof wire === 'object' && wire.text !== undefined
        ? (JSON.parse(wire.text) as unknown)
        : fromWire(converter, wire);
    if (value === null || value === undefined) continue;
    if (type === 'DATETIME') value = new Date(value as string);
    if (type) pairs.push({ key: { name, type }, value } as SearchAttributePair);
    untyped[name] = (Array.isArray(value) ? value : [value]) as SearchAttributeValue[];
  }
  return { untyped, typed: new TypedSearchAttributes(pairs) };
}
