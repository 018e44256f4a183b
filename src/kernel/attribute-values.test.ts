import { expect, it } from 'vitest';
import { defineSearchAttributeKey, type SearchAttributePair, searchAttributesToWire } from '../common/index.ts';
import { attributeValues } from './attribute-values.ts';

const at = new Date('2026-03-04T05:06:07.089Z');

/** Rows of what an author gives with types. */
const typed = (...pairs: SearchAttributePair[]) => attributeValues(searchAttributesToWire(undefined, pairs)!);

it('gives each type the value that filters compare', () => {
  expect(
    typed(
      { key: defineSearchAttributeKey('text', 'TEXT'), value: 'two words' },
      { key: defineSearchAttributeKey('keyword', 'KEYWORD'), value: 'EU' },
      { key: defineSearchAttributeKey('int', 'INT'), value: -7 },
      { key: defineSearchAttributeKey('double', 'DOUBLE'), value: 0.5 },
      { key: defineSearchAttributeKey('bool', 'BOOL'), value: true },
      { key: defineSearchAttributeKey('datetime', 'DATETIME'), value: at },
      { key: defineSearchAttributeKey('list', 'KEYWORD_LIST'), value: ['b', 'a', 'b'] },
    ),
  ).toEqual([
    { key: 'text', type: 'TEXT', value: 'two words' },
    { key: 'keyword', type: 'KEYWORD', value: 'EU' },
    { key: 'int', type: 'INT', value: -7 },
    { key: 'double', type: 'DOUBLE', value: 0.5 },
    { key: 'bool', type: 'BOOL', value: 1 },
    { key: 'datetime', type: 'DATETIME', value: at.getTime() },
    { key: 'list', type: 'KEYWORD_LIST', value: 'b' },
    { key: 'list', type: 'KEYWORD_LIST', value: 'a' },
  ]);
});

it('takes the type from the values where none is named', () => {
  const untyped = { one: ['x'], two: ['x', 'y'], int: [3], double: [3.5], bool: [false], when: at };
  expect(attributeValues(searchAttributesToWire(untyped, undefined)!)).toEqual([
    { key: 'one', type: 'KEYWORD', value: 'x' },
    { key: 'two', type: 'KEYWORD_LIST', value: 'x' },
    { key: 'two', type: 'KEYWORD_LIST', value: 'y' },
    { key: 'int', type: 'INT', value: 3 },
    { key: 'double', type: 'DOUBLE', value: 3.5 },
    { key: 'bool', type: 'BOOL', value: 0 },
    { key: 'when', type: 'KEYWORD', value: at.toISOString() },
  ]);
});

it('has no row for what was taken away, and none for what nobody can read', () => {
  expect(
    attributeValues({
      gone: 'null',
      empty: '[]',
      broken: '{"half',
      object: '[{"deep":1}]',
      sealed: { encoding: 'binary/encrypted', base64: 'AAAA' },
      kept: '["k"]',
    }),
  ).toEqual([{ key: 'kept', type: 'KEYWORD', value: 'k' }]);
});

it('gives no two rows that a store would take for one', () => {
  expect(attributeValues({ mixed: '[1,true,1,"\\ud800","\\ufffd"]' })).toEqual([
    { key: 'mixed', type: 'INT', value: 1 },
    { key: 'mixed', type: 'KEYWORD_LIST', value: '\ufffd' },
  ]);
});
