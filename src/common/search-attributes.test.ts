import { describe, expect, it } from 'vitest';
import {
  defineSearchAttributeKey,
  isValidValueForType,
  type SearchAttributePair,
  searchAttributesFromWire,
  searchAttributesToWire,
  SearchAttributeType,
  TypedSearchAttributes,
} from './search-attributes.ts';

const colour = defineSearchAttributeKey('Colour', SearchAttributeType.KEYWORD);
const count = defineSearchAttributeKey('Count', SearchAttributeType.INT);
const at = defineSearchAttributeKey('At', SearchAttributeType.DATETIME);
const tags = defineSearchAttributeKey('Tags', SearchAttributeType.KEYWORD_LIST);
const moment = new Date('2026-11-24T10:00:00.000Z');
const pairs: SearchAttributePair[] = [
  { key: colour, value: 'red' },
  { key: count, value: 3 },
  { key: at, value: moment },
  { key: tags, value: ['a', 'b'] },
];

describe('typed attributes', () => {
  it('are read by their keys, and by no key of another type', () => {
    const attributes = new TypedSearchAttributes(pairs);
    expect(attributes.get(colour)).toBe('red');
    expect(attributes.get(at)).toEqual(moment);
    expect(attributes.get(defineSearchAttributeKey('Colour', 'TEXT'))).toBeUndefined();
    expect(attributes.get(defineSearchAttributeKey('None', 'TEXT'))).toBeUndefined();
  });

  it('are copied deep', () => {
    const attributes = new TypedSearchAttributes(pairs);
    const copy = attributes.copy();
    (copy.getAll()[3]!.value as string[]).push('c');
    expect(attributes.get(tags)).toEqual(['a', 'b']);
    expect(JSON.parse(JSON.stringify(copy))).toHaveLength(4);
  });

  it('are put in and taken away in a copy', () => {
    const attributes = new TypedSearchAttributes(pairs);
    const next = attributes.updateCopy([
      { key: colour, value: null },
      { key: count, value: 4 },
    ]);
    expect(next.get(colour)).toBeUndefined();
    expect(next.get(count)).toBe(4);
    expect(attributes.get(count)).toBe(3);
  });

  it('refuse a key twice, and a value of another type', () => {
    expect(() => new TypedSearchAttributes([pairs[0]!, pairs[0]!])).toThrow('Duplicate search attribute key: Colour');
    expect(() => new TypedSearchAttributes([{ key: count, value: 1.5 }])).toThrow(/"Count" holds INT; this is 1\.5/);
  });

  it.each([
    ['TEXT', 'x', 1],
    ['INT', 3, 3.5],
    ['DOUBLE', 3.5, Infinity],
    ['BOOL', false, 'false'],
    ['DATETIME', moment, new Date(NaN)],
    ['KEYWORD_LIST', ['a'], [1]],
  ] as const)('%s holds %s and not %s', (type, good, bad) => {
    expect(isValidValueForType(type, good)).toBe(true);
    expect(isValidValueForType(type, bad)).toBe(false);
  });
});

describe('on the wire', () => {
  it('typed and untyped ones come back both ways, with their types', () => {
    const wire = JSON.parse(
      JSON.stringify(searchAttributesToWire({ Old: ['x'], Gone: undefined }, new TypedSearchAttributes(pairs))),
    ) as ReturnType<typeof searchAttributesToWire>;
    const { untyped, typed, removed } = searchAttributesFromWire(wire);
    expect(untyped).toEqual({ Old: ['x'], Colour: ['red'], Count: [3], At: [moment], Tags: ['a', 'b'] });
    expect(typed.getAll()).toEqual(pairs);
    expect(removed).toEqual([]);
  });

  it('null and an empty list take one away', () => {
    const wire = searchAttributesToWire({ Old: [] }, [{ key: colour, value: null }]);
    expect(searchAttributesFromWire(wire)).toMatchObject({ untyped: {}, removed: ['Old', 'Colour'] });
  });

  it('a type of a later release is read as if there were none', () => {
    const wire = { New: { encoding: 'json/plain', text: '"x"', metadata: { type: 'TkVX' } } };
    const { untyped, typed } = searchAttributesFromWire(wire);
    expect(untyped).toEqual({ New: ['x'] });
    expect(typed.getAll()).toEqual([]);
  });

  it('none at all are not written', () => {
    expect(searchAttributesToWire(undefined, undefined)).toBeUndefined();
    expect(searchAttributesToWire({}, [])).toBeUndefined();
  });

  it('a value of another type is refused before it travels', () => {
    expect(() => searchAttributesToWire(undefined, [{ key: count, value: 'x' } as never])).toThrow(/"Count" holds INT/);
  });
});
