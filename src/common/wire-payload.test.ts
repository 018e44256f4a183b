// oxlint-disable vitest/no-conditional-expect -- every branch asserts; the cases differ in what they demand
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode } from './encoding.ts';
import {
  CompositePayloadConverter,
  defaultPayloadConverter,
  JsonPayloadConverter,
  type Payload,
  type PayloadCodec,
  RawValue,
} from './payload.ts';
import {
  codeWire,
  fromWire,
  fromWireList,
  fromWireMap,
  payloadFromWire,
  payloadToWire,
  toWire,
  toWireList,
  toWireMap,
} from './wire-payload.ts';
import type { WirePayload } from './wire/index.ts';

const bytes = fc.uint8Array({ maxLength: 60 });
const payload: fc.Arbitrary<Payload> = fc
  .record({
    encoding: fc.oneof(fc.constantFrom('json/plain', 'binary/plain', 'binary/null', 'binary/encrypted'), fc.string()),
    data: fc.option(fc.oneof(bytes, fc.string().map(encode)), { nil: undefined }),
    others: fc.dictionary(
      fc.string().filter((key) => key !== 'encoding'),
      bytes,
      { maxKeys: 3 },
    ),
  })
  .map(({ encoding, data, others }) => ({
    metadata: { ...others, encoding: encode(encoding) },
    ...(data === undefined ? {} : { data }),
  }));

/** A payload as plain lists, to be compared. */
function seen(of: Payload): unknown {
  const metadata = Object.entries(of.metadata ?? {}).map(([key, value]) => [key, [...value]] as const);
  return { metadata: new Map(metadata), data: of.data ? [...of.data] : undefined };
}

/** A codec that turns every byte over and wraps what it was given in an encoding of its own. */
function flipping(name: string): PayloadCodec & { seen: number } {
  const flip = (data: Uint8Array): Uint8Array => data.map((byte) => byte ^ 0xff);
  return {
    seen: 0,
    async encode(payloads) {
      this.seen += payloads.length;
      return payloads.map((one) => ({
        metadata: { encoding: encode(name) },
        data: flip(encode(JSON.stringify(payloadToWire(one)))),
      }));
    },
    async decode(payloads) {
      return payloads.map((one) => {
        if (decode(one.metadata?.['encoding']) !== name) return one;
        return payloadFromWire(JSON.parse(decode(flip(one.data!))) as WirePayload);
      });
    },
  };
}

describe('a payload as it travels', () => {
  test('comes back whole, whatever its encoding, its data and its metadata, through JSON too', () => {
    fc.assert(
      fc.property(payload, (one) => {
        const travelled = JSON.parse(JSON.stringify(payloadToWire(one))) as WirePayload;
        expect(seen(payloadFromWire(travelled))).toEqual(seen(one));
      }),
      { numRuns: 500 },
    );
  });

  test('is its text where it is plain JSON, and says its encoding where it is not', () => {
    expect(payloadToWire(defaultPayloadConverter.toPayload({ a: 1 }))).toBe('{"a":1}');
    expect(payloadToWire(defaultPayloadConverter.toPayload(undefined))).toEqual({ encoding: 'binary/null' });
    expect(payloadToWire(defaultPayloadConverter.toPayload(encode('hi')))).toEqual({
      encoding: 'binary/plain',
      base64: 'aGk=',
    });
    expect(payloadToWire({ metadata: { encoding: encode('text/x') }, data: encode('hi') })).toEqual({
      encoding: 'text/x',
      text: 'hi',
    });
    expect(payloadToWire({ metadata: { encoding: encode('json/plain') }, data: Uint8Array.of(0xff) })).toEqual({
      encoding: 'json/plain',
      base64: '/w==',
    });
  });
});

describe('a value', () => {
  const value = fc.oneof(fc.jsonValue(), fc.constant(undefined), bytes);

  test('comes back as JSON has it, as bytes, or as undefined', () => {
    fc.assert(
      fc.property(value, (one) => {
        const back = fromWire(defaultPayloadConverter, toWire(defaultPayloadConverter, one));
        if (one instanceof Uint8Array) expect([...(back as Uint8Array)]).toEqual([...one]);
        else expect(back).toEqual(one === undefined ? undefined : JSON.parse(JSON.stringify(one)));
      }),
    );
  });

  test('travels the same by the short way as by its payload', () => {
    fc.assert(
      fc.property(value, (one) => {
        expect(toWire(defaultPayloadConverter, one)).toEqual(payloadToWire(defaultPayloadConverter.toPayload(one)));
      }),
    );
  });

  test.each([() => 1, Symbol('s')])('that JSON cannot say is refused by name (%#)', (one) => {
    expect(() => toWire(defaultPayloadConverter, one)).toThrow(`type ${typeof one}`);
  });

  test('travels in the encoding of a converter of its own', () => {
    const dates = new CompositePayloadConverter(
      {
        encodingType: 'date/iso',
        toPayload: (one) =>
          one instanceof Date
            ? { metadata: { encoding: encode('date/iso') }, data: encode(one.toISOString()) }
            : undefined,
        fromPayload: <T>(one: Payload) => new Date(decode(one.data)) as T,
      },
      new JsonPayloadConverter(),
    );
    const wires = toWireList(dates, [new Date(5), 'text']);
    expect(wires).toEqual([{ encoding: 'date/iso', text: '1970-01-01T00:00:00.005Z' }, '"text"']);
    expect(fromWireList(dates, wires)).toEqual([new Date(5), 'text']);
    expect(() => fromWire(defaultPayloadConverter, wires[0])).toThrow('date/iso');
  });

  test('that is raw is passed on as it is', () => {
    const raw = RawValue.fromPayload({ metadata: { encoding: encode('mine') }, data: encode('x') });
    expect(toWire(defaultPayloadConverter, raw)).toEqual({ encoding: 'mine', text: 'x' });
  });

  test('keeps its name in a map, __proto__ included', () => {
    const map = JSON.parse('{"a":1,"__proto__":2}') as Record<string, unknown>;
    const back = fromWireMap(defaultPayloadConverter, toWireMap(defaultPayloadConverter, map));
    expect(Object.entries(back)).toEqual([
      ['a', 1],
      ['__proto__', 2],
    ]);
    expect([toWireMap(defaultPayloadConverter, undefined), fromWireMap(defaultPayloadConverter, undefined)]).toEqual([
      undefined,
      {},
    ]);
  });
});

describe('codecs', () => {
  const message = {
    kind: 'start',
    workflowId: 'order-1',
    input: ['1', { encoding: 'binary/null' }],
    memo: { note: '"x"', encoding: '"a memo may have this name"' },
    headers: { trace: '"t"' },
    searchAttributes: { City: { value: 'here' } },
    jobs: [
      { kind: 'activity-resolved', outcome: { status: 'completed', value: '7' } },
      {
        failure: {
          kind: 'application',
          message: 'no',
          details: ['"d"'],
          cause: { kind: 'cancelled', message: '', details: ['"deep"'] },
        },
      },
      { kind: 'set-details', details: 'text for people' },
    ],
  };

  test('go over every payload of a message, however deep, and back', async () => {
    const codec = flipping('secret');
    const coded = await codeWire(message, [codec], 'encode');
    expect(codec.seen).toBe(7);
    expect(await codeWire(coded, [codec], 'decode')).toEqual(message);
  });

  test('leave names, headers, search attributes and current details readable', async () => {
    const coded = await codeWire(message, [flipping('secret')], 'encode');
    expect(coded).toMatchObject({
      kind: 'start',
      workflowId: 'order-1',
      headers: message.headers,
      searchAttributes: message.searchAttributes,
    });
    expect(coded.jobs[2]).toEqual(message.jobs[2]);
    expect(Object.keys(coded.memo)).toEqual(['note', 'encoding']);
    for (const plain of ['"x"', 'this name', '"d"', '"deep"'])
      expect(JSON.stringify(coded)).not.toContain(JSON.stringify(plain));
  });

  test('are applied from the last to the first, and taken off from the first to the last', async () => {
    const codecs = [flipping('outer'), flipping('inner')];
    const coded = await codeWire({ value: '1' as WirePayload }, codecs, 'encode');
    expect(coded.value).toMatchObject({ encoding: 'outer' });
    expect(await codeWire(coded, codecs, 'decode')).toEqual({ value: '1' });
  });

  test('leave the message alone where there are none', async () => {
    expect(await codeWire(message, [], 'encode')).toBe(message);
  });

  test('that fail fail the message', async () => {
    const broken: PayloadCodec = {
      encode: () => Promise.reject(new Error('no key')),
      decode: () => Promise.reject(new Error('no key')),
    };
    await expect(codeWire(message, [broken], 'encode')).rejects.toThrow('no key');
  });
});
