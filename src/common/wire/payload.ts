/**
 * A value as it travels and is stored: the kernel never looks inside.
 *
 * The common case, a JSON value under the encoding `json/plain`, is the JSON text itself; everything else names its
 * encoding. `text` holds the data where it is UTF-8, `base64` where it is not; neither means no data at all
 * (`binary/null`).
 */
export type WirePayload = string | EncodedPayload;

/** A payload whose encoding is not plain JSON, or that carries metadata of its own. */
export interface EncodedPayload {
  encoding: string;
  text?: string;
  base64?: string;
  /** Further metadata, base64; the encoding is not repeated here. */
  metadata?: Record<string, string>;
}

/** Headers, memo and search attributes: named payloads. */
export type WirePayloadMap = Record<string, WirePayload>;
