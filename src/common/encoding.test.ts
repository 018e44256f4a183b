import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decode,
  decodeIfUtf8,
  decodePlainly,
  encode,
  encodePlainly,
  fromBase64,
  fromBase64Plainly,
  toBase64,
  toBase64Plainly,
} from './encoding.ts';

const anyText = fc.string({
  unit: fc.oneof(
    fc.nat(0xffff).map((unit) => String.fromCharCode(unit)),
    fc.constant('🌳'),
  ),
});
const bytes = fc.uint8Array({ maxLength: 40 });

it('plain code and the host encode text alike, lone surrogates included', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect([...encodePlainly(text)]).toEqual([...encode(text)]);
    }),
  );
});

it('plain code and the host read UTF-8 alike', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(decodePlainly(encode(text), false)).toBe(decode(encode(text)));
      expect(decodePlainly(encode(text), true)).toBe(decodeIfUtf8(encode(text)));
    }),
  );
});

it('plain code and the host agree on what is not UTF-8', () => {
  fc.assert(
    fc.property(bytes, (given) => {
      expect(decodePlainly(given, true)).toBe(decodeIfUtf8(given));
    }),
  );
});

it('a byte order mark is kept: it is part of the data', () => {
  expect(decode(encode('\ufeffx'))).toBe('\ufeffx');
});

it('nothing decodes to no text', () => {
  expect(decode(undefined)).toBe('');
  expect(decode(new Uint8Array(0))).toBe('');
});

it('base64 goes there and back, by the language and in plain code', () => {
  fc.assert(
    fc.property(bytes, (given) => {
      const text = Buffer.from(given).toString('base64');
      expect(toBase64(given)).toBe(text);
      expect(toBase64Plainly(given)).toBe(text);
      expect(fromBase64(text)).toEqual(given);
      expect(fromBase64Plainly(text)).toEqual(given);
    }),
  );
});
