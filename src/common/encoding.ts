/**
 * UTF-8 and base64 in plain code: the same inside the sandbox, where the host's encoders do not exist.
 */

/** Text to UTF-8; a lone surrogate becomes U+FFFD, as the Encoding standard has it. */
export function encode(text: string): Uint8Array {
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

/** UTF-8 to text; what is not UTF-8 becomes U+FFFD. */
export function decode(bytes: Uint8Array | undefined | null): string {
  return decodeStrictly(bytes ?? new Uint8Array(0), false)!;
}

/** UTF-8 to text, or undefined where the bytes are not UTF-8. */
export function decodeIfUtf8(bytes: Uint8Array): string | undefined {
  return decodeStrictly(bytes, true);
}

function decodeStrictly(bytes: Uint8Array, strict: boolean): string | undefined {
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
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));

/** Bytes to base64, padded. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b = 0, c = 0] = [bytes[i]!, bytes[i + 1], bytes[i + 2]];
    text += ALPHABET[a >> 2]! + ALPHABET[((a & 3) << 4) | (b >> 4)]!;
    text += i + 1 < bytes.length ? ALPHABET[((b & 15) << 2) | (c >> 6)]! : '=';
    text += i + 2 < bytes.length ? ALPHABET[c & 63]! : '=';
  }
  return text;
}

/** Base64 to bytes; characters that are not of its alphabet are passed over. */
export function fromBase64(text: string): Uint8Array {
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
