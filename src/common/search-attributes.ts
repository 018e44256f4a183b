import { decode, encode, fromBase64, toBase64 } from './encoding.ts';
import { defaultPayloadConverter } from './payload.ts';
import { requireNameText, shown, wrongArgument } from './shown.ts';
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

/** A key with a value. */
export type SearchAttributePair = {
  [T in SearchAttributeType]: { key: SearchAttributeKey<T>; value: ValueOf[T] };
}[SearchAttributeType];
/** A key with a value; null takes the attribute away. */
export type SearchAttributeUpdatePair = {
  [T in SearchAttributeType]: { key: SearchAttributeKey<T>; value: ValueOf[T] | null };
}[SearchAttributeType];

/** Names an attribute with its type. */
export function defineSearchAttributeKey<T extends SearchAttributeType>(name: string, type: T): SearchAttributeKey<T> {
  requireNameText('the name of a search attribute', name);
  if (!Object.hasOwn(SearchAttributeType, type))
    throw wrongArgument(
      'the type of a search attribute',
      `is one of ${Object.keys(SearchAttributeType).join(', ')}`,
      type,
    );
  return { name, type };
}

/** Attributes that are read and written by typed keys. */
export class TypedSearchAttributes {
  readonly #pairs = new Map<string, SearchAttributePair>();

  /** @throws TypeError for a key that is given twice, and for a value that is not of its key's type */
  constructor(pairs: readonly SearchAttributePair[] = []) {
    for (const pair of requirePairs(pairs)) {
      if (this.#pairs.has(pair.key.name))
        throw new TypeError(`Duplicate search attribute key: ${pair.key.name}; give each once`);
      this.#pairs.set(pair.key.name, requireValue(pair));
    }
  }

  get<T extends SearchAttributeType>(key: SearchAttributeKey<T>): ValueOf[T] | undefined {
    if (typeof key?.name !== 'string') throw wrongArgument('TypedSearchAttributes.get', MAY_BE_KEY, key);
    const pair = this.#pairs.get(key.name);
    return pair?.key.type === key.type ? (pair.value as ValueOf[T]) : undefined;
  }

  getAll(): SearchAttributePair[] {
    return [...this.#pairs.values()].map(
      ({ key, value }) => ({ key: { ...key }, value: copyOf(value) }) as SearchAttributePair,
    );
  }

  toJSON(): SearchAttributePair[] {
    return this.getAll();
  }

  copy(): TypedSearchAttributes {
    return new TypedSearchAttributes(this.getAll());
  }

  /** A copy with these put in, and those taken away whose value is null. */
  updateCopy(updates: readonly SearchAttributeUpdatePair[]): TypedSearchAttributes {
    const merged = new Map(this.getAll().map((pair) => [pair.key.name, pair]));
    for (const update of requirePairs(updates)) {
      if (update.value === null) merged.delete(update.key.name);
      else merged.set(update.key.name, update as SearchAttributePair);
    }
    return new TypedSearchAttributes([...merged.values()]);
  }
}

/** Whether a value is one that an attribute of a type may hold. */
export function isValidValueForType<T extends SearchAttributeType>(type: T, value: unknown): value is ValueOf[T] {
  switch (type) {
    case 'TEXT':
    case 'KEYWORD':
      return typeof value === 'string';
    case 'INT':
      return Number.isInteger(value);
    case 'DOUBLE':
      return Number.isFinite(value);
    case 'BOOL':
      return typeof value === 'boolean';
    case 'DATETIME':
      return Object.prototype.toString.call(value) === '[object Date]' && !Number.isNaN((value as Date).getTime());
    case 'KEYWORD_LIST':
      return Array.isArray(value) && value.every((one) => typeof one === 'string');
    default:
      return false;
  }
}

const MAY_BE_KEY = 'takes a key of defineSearchAttributeKey(name, type)';

function requirePairs<P extends SearchAttributeUpdatePair>(pairs: readonly P[]): readonly P[] {
  const given: unknown = pairs;
  if (!Array.isArray(given)) throw wrongArgument('typed search attributes', 'are a list of { key, value }', pairs);
  for (const pair of pairs) {
    if (typeof pair?.key?.name !== 'string' || !Object.hasOwn(SearchAttributeType, pair.key.type))
      throw wrongArgument('a typed search attribute', `is { key, value } and ${MAY_BE_KEY}`, pair);
  }
  return pairs;
}

/** @throws TypeError for a value that an untyped attribute cannot hold */
function requireUntyped(name: string, value: unknown): unknown {
  for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
    const isHeld =
      one === null ||
      typeof one === 'string' ||
      typeof one === 'boolean' ||
      (typeof one === 'number' && Number.isFinite(one)) ||
      isValidValueForType('DATETIME', one);
    if (!isHeld)
      throw wrongArgument(
        `search attribute ${shown(name)}`,
        'holds text, finite numbers, booleans or dates, alone or in a list',
        one,
      );
  }
  return value;
}

function requireValue<P extends SearchAttributeUpdatePair>(pair: P): P {
  if (pair.value !== null && !isValidValueForType(pair.key.type, pair.value)) {
    throw new TypeError(`search attribute "${pair.key.name}" holds ${pair.key.type}; this is ${shown(pair.value)}`);
  }
  return pair;
}

function copyOf(value: SearchAttributePair['value']): SearchAttributePair['value'] {
  return Array.isArray(value) ? [...value] : value instanceof Date ? new Date(value) : value;
}

/**
 * Writes attributes, untyped and typed, as they travel: JSON payloads that lists can read, whatever converter the
 * application has, with the type in the metadata where it is known.
 * @throws TypeError for a value that is not of its key's type
 */
export function searchAttributesToWire(
  untyped: SearchAttributes | undefined,
  typed: readonly SearchAttributeUpdatePair[] | TypedSearchAttributes | undefined,
): WirePayloadMap | undefined {
  const map: WirePayloadMap = {};
  if (untyped !== undefined && (typeof untyped !== 'object' || untyped === null || Array.isArray(untyped)))
    throw wrongArgument('searchAttributes', 'is an object of names with values', untyped);
  for (const [name, value] of Object.entries(untyped ?? {}))
    if (value !== undefined) map[name] = toWire(defaultPayloadConverter, requireUntyped(name, value));
  const pairs =
    typed instanceof TypedSearchAttributes
      ? typed.getAll()
      : requirePairs(typed === undefined ? [] : typed).map(requireValue);
  for (const { key, value } of pairs) {
    map[key.name] = { encoding: 'json/plain', text: JSON.stringify(value), metadata: { type: typeToWire(key.type) } };
  }
  return Object.keys(map).length > 0 ? map : undefined;
}

/** Reads attributes back, both ways. Null and an empty list stand for an attribute that was taken away. */
export function searchAttributesFromWire(map: WirePayloadMap | undefined): {
  untyped: SearchAttributes;
  typed: TypedSearchAttributes;
  /** Names of those that were taken away. */
  removed: string[];
} {
  const untyped: SearchAttributes = {};
  const pairs: SearchAttributePair[] = [];
  const removed: string[] = [];
  for (const [name, wire] of Object.entries(map ?? {})) {
    const type = typeFromWire(wire);
    let value = fromWire<unknown>(defaultPayloadConverter, wire);
    if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) {
      removed.push(name);
      continue;
    }
    if (type === 'DATETIME') value = new Date(value as string);
    if (type !== undefined && isValidValueForType(type, value))
      pairs.push({ key: { name, type }, value } as SearchAttributePair);
    untyped[name] = (Array.isArray(value) ? value : [value]) as SearchAttributeValue[];
  }
  return { untyped, typed: new TypedSearchAttributes(pairs), removed };
}

const typeToWire = (type: SearchAttributeType): string => toBase64(encode(type));

/** The type that an attribute's payload names; undefined for none, and for one of a later release. */
function typeFromWire(wire: WirePayloadMap[string]): SearchAttributeType | undefined {
  const written = typeof wire === 'object' ? wire.metadata?.['type'] : undefined;
  if (written === undefined) return undefined;
  const type = decode(fromBase64(written));
  return Object.hasOwn(SearchAttributeType, type) ? (type as SearchAttributeType) : undefined;
}
