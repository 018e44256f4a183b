/**
 * UTF-8 and base64, by the host's encoders where there are any, and in plain code with the same result inside the
 * sandbox, where there are none.
 */

import { ValueError } from './errors.ts';
import { shown, wrongArgument } from './shown.ts';

/** The host's encoders, or undefined where they are absent or do less than the standard. */
const host = ((): { encoder: TextEncoder; strict: TextDecoder; lenient: TextDecoder } | undefined => {
  if (typeof TextEncoder !== 'function' || typeof TextDecoder !== 'function') return undefined;
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  if (!strict.fatal || !strict.ignoreBOM) return undefined;
  return { encoder: new TextEncoder(), strict, lenient: new TextDecoder('utf-8', { ignoreBOM: true }) };
})();

/** Text to UTF-8; a lone surrogate becomes U+FFFD, as the Encoding standard has it. */
export function encode(text: string): Uint8Array {
  if (typeof text !== 'string') throw wrongArgument('encode', 'takes text', text);
  return host ? host.encoder.encode(text) : encodePlainly(text);
}

/** UTF-8 to text; what is not UTF-8 becomes U+FFFD. */
export function decode(bytes: Uint8Array | undefined | null): string {
  if (bytes === undefined || bytes === null) return '';
  if (!ArrayBuffer.isView(bytes)) throw wrongArgument('decode', 'takes a Uint8Array', bytes);
  return host ? host.lenient.decode(bytes) : decodePlainly(bytes, false)!;
}

/** UTF-8 to text, or undefined where the bytes are not UTF-8. */
export function decodeIfUtf8(bytes: Uint8Array): string | undefined {
  if (!host) return decodePlainly(bytes, true);
  try {
    return host.strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** `encode` without the host. */
export function encodePlainly(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    let point = character.codePointAt(0)!;
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else {
      bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    }
  }
  return Uint8Array.from(bytes);
}

/** `decode` without the host; where `strict`, undefined for what is not UTF-8. */
export function decodePlainly(bytes: Uint8Array, strict: boolean): string | undefined {
  let text = '';
  for (let i = 0; i < bytes.length;) {
    const first = bytes[i]!;
    const length =
      first < 0x80
        ? 1
        : first >= 0xc2 && first < 0xe0
          ? 2
          : first >= 0xe0 && first < 0xf0
            ? 3
            : first >= 0xf0 && first < 0xf5
              ? 4
              : 0;
    let point = length === 1 ? first : first & (0x7f >> length);
    // The second byte also bars what is too long a form, a surrogate, or past the last code point.
    let read = 1;
    for (; read < length && i + read < bytes.length; read++) {
      const next = bytes[i + read]!;
      const least = read > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
      const most = read > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
      if (next < least || next > most) break;
      point = (point << 6) | (next & 63);
    }
    if (read !== length) {
      if (strict) return undefined;
      // One mark for all that could have begun a character, as the Encoding standard has it.
      text += '\ufffd';
      i += read;
      continue;
    }
    text += String.fromCodePoint(point);
    i += length;
  }
  return text;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUES = new Map(Array.from(ALPHABET, (character, value) => [character, value]));

/** What a newer language has built in, in the sandbox too. */
interface MayEncode {
  toBase64?(): string;
}
interface MayDecode {
  fromBase64?(text: string): Uint8Array;
}

/** Bytes to base64, padded. */
export function toBase64(bytes: Uint8Array): string {
  if (!ArrayBuffer.isView(bytes)) throw wrongArgument('toBase64', 'takes a Uint8Array', bytes);
  return (bytes as MayEncode).toBase64?.() ?? toBase64Plainly(bytes);
}

/**
 * Base64 to bytes, padded or not.
 * @throws ValueError for text that is not base64, where the language has its own decoder; else what is not of the
 *   alphabet is passed over
 */
export function fromBase64(text: string): Uint8Array {
  if (typeof text !== 'string') throw wrongArgument('fromBase64', 'takes text', text);
  try {
    return (Uint8Array as MayDecode).fromBase64?.(text) ?? fromBase64Plainly(text);
  } catch (error) {
    throw new ValueError(`fromBase64 takes base64, padded or not; this is ${shown(text)}`, error);
  }
}

/** `toBase64` in plain code. */
export function toBase64Plainly(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b = 0, c = 0] = [bytes[i]!, bytes[i + 1], bytes[i + 2]];
    text += ALPHABET[a >> 2]! + ALPHABET[((a & 3) << 4) | (b >> 4)]!;
    text += i + 1 < bytes.length ? ALPHABET[((b & 15) << 2) | (c >> 6)]! : '=';
    text += i + 2 < bytes.length ? ALPHABET[c & 63]! : '=';
  }
  return text;
}

/** `fromBase64` in plain code; characters that are not of the alphabet are passed over. */
export function fromBase64Plainly(text: string): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of text) {
    const value = VALUES.get(character);
    if (value === undefined) continue;
    held = (held << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 255);
    }
  }
  return Uint8Array.from(bytes);
}
