import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decode, decodeIfUtf8, encode, fromBase64, toBase64 } from './encoding.ts';

/** Text with everything that UTF-16 allows, lone surrogates too. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    fc.constantFrom('\ud800', '\udfff', '\ufeff', '\0'),
  ),
});
/** Bytes in which broken UTF-8 is likely. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .array(
      fc.constantFrom(
        0x00,
        0x41,
        0x80,
        0x8f,
        0x90,
        0x9f,
        0xa0,
        0xbf,
        0xc0,
        0xc2,
        0xdf,
        0xe0,
        0xe1,
        0xed,
        0xef,
        0xf0,
        0xf3,
        0xf4,
        0xf5,
        0xff,
      ),
      { maxLength: 40 },
    )
    .map((list) => Uint8Array.from(list)),
);
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

test('text becomes the bytes that TextEncoder makes of it', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect([...encode(text)]).toEqual([...new TextEncoder().encode(text)]);
    }),
    { numRuns: 500 },
  );
});

test('bytes become the text that TextDecoder makes of them, broken ones too', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(decode(bytes)).toBe(lenient.decode(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('bytes are told to be UTF-8 exactly where a fatal TextDecoder takes them', () => {
  const reference = (bytes: Uint8Array): string | undefined => {
    try {
      return strict.decode(bytes);
    } catch {
      return undefined;
    }
  };
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(decodeIfUtf8(bytes)).toBe(reference(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('no bytes are no text', () => {
  expect([decode(undefined), decode(null), decode(new Uint8Array(0))]).toEqual(['', '', '']);
});

test('bytes become the base64 that Buffer makes of them, and come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
      expect([...fromBase64(toBase64(bytes))]).toEqual([...bytes]);
    }),
  );
});

test('base64 is read without its padding and across lines', () => {
  expect(decode(fromBase64('aGVs\r\nbG8'))).toBe('hello');
});
