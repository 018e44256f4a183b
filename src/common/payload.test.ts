import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BinaryPayloadConverter,
  codeWire,
  CompositePayloadConverter,
  decode,
  defaultDataConverter,
  defaultPayloadConverter,
  encode,
  fromWire,
  JsonPayloadConverter,
  loadDataConverter,
  METADATA_ENCODING_KEY,
  type Payload,
  type PayloadCodec,
  payloadFromWire,
  payloadToWire,
  RawValue,
  toWire,
  UndefinedPayloadConverter,
  ValueError,
  type WirePayload,
} from './index.ts';

/** The same converters, but not the default object: nothing is taken as known. */
const slow = new CompositePayloadConverter(
  new UndefinedPayloadConverter(),
  new BinaryPayloadConverter(),
  new JsonPayloadConverter(),
);
const value = fc.oneof(fc.jsonValue(), fc.uint8Array(), fc.constant(undefined));
const overJson = (wire: WirePayload): WirePayload => JSON.parse(JSON.stringify(wire)) as WirePayload;

describe('values', () => {
  it('go there and back, by the fast way and by the slow one, which write the same', () => {
    fc.assert(
      fc.property(value, (given) => {
        const wire = overJson(toWire(defaultPayloadConverter, given));
        expect(overJson(toWire(slow, given))).toEqual(wire);
        // JSON has one zero.
        const plain =
          given instanceof Uint8Array || given === undefined ? given : (JSON.parse(JSON.stringify(given)) as unknown);
        expect(fromWire<unknown>(defaultPayloadConverter, wire)).toEqual(plain);
        expect(fromWire<unknown>(slow, wire)).toEqual(plain);
      }),
    );
  });

  it('that are JSON travel as their text', () => {
    expect(toWire(defaultPayloadConverter, { a: [1] })).toBe('{"a":[1]}');
    expect(toWire(defaultPayloadConverter, undefined)).toEqual({ encoding: 'binary/null' });
    expect(toWire(defaultPayloadConverter, new Uint8Array([1, 255]))).toEqual({
      encoding: 'binary/plain',
      base64: 'Af8=',
    });
  });

  it('that cannot be written are refused with a ValueError', () => {
    expect(() => toWire(defaultPayloadConverter, () => 1)).toThrow(ValueError);
    expect(() => toWire(slow, Symbol('s'))).toThrow(ValueError);
    expect(() => toWire(defaultPayloadConverter, 1n)).toThrow(ValueError);
  });

  it('that are raw are passed on as they are', () => {
    const payload: Payload = { metadata: { [METADATA_ENCODING_KEY]: encode('own/kind') }, data: encode('x') };
    expect(toWire(defaultPayloadConverter, RawValue.fromPayload(payload))).toEqual({ encoding: 'own/kind', text: 'x' });
    expect(toWire(defaultPayloadConverter, new RawValue(5))).toBe('5');
  });

  it('whose encoding nobody reads name it, and those who read', () => {
    expect(() => fromWire(slow, { encoding: 'own/kind', text: 'x' })).toThrow(/"own\/kind"; there are binary\/null/);
    expect(() => slow.fromPayload({ data: encode('1') })).toThrow(/a payload is \{ metadata: \{ encoding: bytes \}/);
  });
});

describe('payloads', () => {
  const payload = fc.record(
    {
      metadata: fc.record(
        {
          [METADATA_ENCODING_KEY]: fc.constantFrom('json/plain', 'binary/plain', 'x/y').map(encode),
          key: fc.uint8Array(),
        },
        { requiredKeys: [METADATA_ENCODING_KEY] },
      ),
      data: fc.oneof(fc.uint8Array(), fc.json().map(encode)),
    },
    { requiredKeys: ['metadata'] },
  );

  it('go there and back, whatever is in them', () => {
    fc.assert(
      fc.property(payload, (given) => {
        const read = payloadFromWire(overJson(payloadToWire(given as Payload)));
        expect(JSON.stringify(read)).toBe(JSON.stringify(given));
      }),
    );
  });

  it('have one way of being written', () => {
    fc.assert(
      fc.property(payload, (given) => {
        const wire = payloadToWire(given as Payload);
        expect(payloadToWire(payloadFromWire(wire))).toEqual(wire);
      }),
    );
  });
});

describe('codecs', () => {
  /** Marks each payload with its name, and refuses one that it did not mark. */
  const codec = (name: string): PayloadCodec => ({
    encode: async (payloads) =>
      payloads.map((payload) => ({
        metadata: { [METADATA_ENCODING_KEY]: encode(`codec/${name}`) },
        data: encode(JSON.stringify(payloadToWire(payload))),
      })),
    decode: async (payloads) =>
      payloads.map((payload) => {
        expect(decode(payload.metadata?.[METADATA_ENCODING_KEY])).toBe(`codec/${name}`);
        return payloadFromWire(JSON.parse(decode(payload.data)) as WirePayload);
      }),
  });
  const codecs = [codec('first'), codec('second')];
  const message = {
    kind: 'start',
    input: ['1', '"two"'],
    memo: { encoding: '"a field of that name"', other: '1' },
    headers: { trace: '"left alone"' },
    searchAttributes: { Colour: '"red"' },
    rounds: [
      {
        commands: [
          { kind: 'set-details', details: 'words for people' },
          { kind: 'complete', value: '5' },
        ],
      },
    ],
    outcome: {
      status: 'failed',
      failure: {
        kind: 'application',
        message: 'm',
        details: ['1'],
        cause: { kind: 'timeout', lastHeartbeatDetails: ['2'] },
      },
    },
    lastResult: { encoding: 'binary/null' },
  };

  it('go over every payload of a message, the last codec first, and over nothing else', async () => {
    const coded = await codeWire(message, codecs, 'encode');
    expect(coded.headers).toEqual(message.headers);
    expect(coded.searchAttributes).toEqual(message.searchAttributes);
    expect(coded.rounds[0]?.commands[0]).toEqual({ kind: 'set-details', details: 'words for people' });
    expect(coded.input[0]).toMatchObject({ encoding: 'codec/first' });
    const text = JSON.stringify(coded);
    expect(text.match(/codec\/first/g)).toHaveLength(8);
    expect(Object.keys(coded.memo)).toEqual(['encoding', 'other']);
    expect(await codeWire(coded, codecs, 'decode')).toEqual(message);
  });

  it('that there are none of leave the very message', async () => {
    expect(await codeWire(message, [], 'encode')).toBe(message);
  });

  it('that fail fail the call', async () => {
    const broken: PayloadCodec = { encode: () => Promise.reject(new Error('no key')), decode: async (list) => list };
    await expect(codeWire(message, [broken], 'encode')).rejects.toThrow('no key');
  });
});

describe('a data converter', () => {
  const modules: Record<string, unknown> = {
    '/good.js': { payloadConverter: slow, failureConverter: defaultDataConverter.failureConverter },
    '/bad.js': { payloadConverter: { toPayload: 1 } },
  };
  const load = (path: string): unknown => modules[path];

  it('is the default where none is given', () => {
    expect(loadDataConverter(undefined, load)).toBe(defaultDataConverter);
    expect(loadDataConverter({}, load)).toEqual(defaultDataConverter);
  });

  it('loads what it names by path', () => {
    const loaded = loadDataConverter({ payloadConverterPath: '/good.js', failureConverterPath: '/good.js' }, load);
    expect(loaded.payloadConverter).toBe(slow);
  });

  it('names the module and the export that are not there', () => {
    expect(() => loadDataConverter({ payloadConverterPath: '/bad.js' }, load)).toThrow(
      /Module \/bad\.js has no export `payloadConverter` with toPayload and fromPayload/,
    );
    expect(() => loadDataConverter({ failureConverterPath: '/none.js' }, load)).toThrow(/`failureConverter`/);
  });
});
