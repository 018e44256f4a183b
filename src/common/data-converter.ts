import { ValueError } from './errors.ts';
import { defaultFailureConverter, type FailureConverter } from './failure-converter.ts';
import { requireObject, shown, wrongArgument } from './shown.ts';
import { defaultPayloadConverter, type PayloadCodec, type PayloadConverter } from './payload.ts';

/**
 * How an application's data is converted. The paths name modules that export `payloadConverter` and `failureConverter`;
 * they are loaded where they are needed, inside the workflow sandbox too.
 */
export interface DataConverter {
  payloadConverterPath?: string;
  failureConverterPath?: string;
  payloadCodecs?: PayloadCodec[];
}

/** A data converter whose modules are loaded. */
export interface LoadedDataConverter {
  payloadConverter: PayloadConverter;
  failureConverter: FailureConverter;
  payloadCodecs: PayloadCodec[];
}

/** What converts data where nothing else is set. */
export const defaultDataConverter: LoadedDataConverter = {
  payloadConverter: defaultPayloadConverter,
  failureConverter: defaultFailureConverter,
  payloadCodecs: [],
};

/**
 * Loads what a data converter names by path; what it brings loaded is taken as it is.
 * @param loadModule gives the exports of the module at a path
 * @throws ValueError for a module without the export that is looked for
 */
export function loadDataConverter(
  given: (DataConverter & Partial<LoadedDataConverter>) | undefined,
  loadModule: (path: string) => unknown,
): LoadedDataConverter {
  if (given === undefined) return defaultDataConverter;
  requireObject('dataConverter', given, '{ payloadConverterPath, payloadCodecs }');
  const { payloadCodecs = [] } = given;
  if (
    !Array.isArray(payloadCodecs) ||
    !payloadCodecs.every((codec) => typeof codec?.encode === 'function' && typeof codec.decode === 'function')
  )
    throw wrongArgument('dataConverter.payloadCodecs', 'is a list of codecs with encode and decode', payloadCodecs);
  const load = <T>(path: string | undefined, name: string, methods: readonly string[]): T | undefined => {
    if (path === undefined) return undefined;
    if (typeof path !== 'string') throw wrongArgument(`dataConverter.${name}Path`, 'is the path of a module', path);
    let found: unknown;
    try {
      found = (loadModule(path) as Record<string, unknown> | undefined)?.[name];
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
      throw new ValueError(
        `dataConverter.${name}Path: the module ${shown(path)} cannot be loaded: ${why}; give an absolute path or a file: URL as text`,
        error,
      );
    }
    const isOne = methods.every(
      (method) => typeof (found as Record<string, unknown> | undefined)?.[method] === 'function',
    );
    if (!isOne) throw new ValueError(`Module ${path} has no export \`${name}\` with ${methods.join(' and ')}`);
    return found as T;
  };
  return {
    payloadConverter:
      load<PayloadConverter>(given.payloadConverterPath, 'payloadConverter', ['toPayload', 'fromPayload']) ??
      given.payloadConverter ??
      defaultPayloadConverter,
    failureConverter:
      load<FailureConverter>(given.failureConverterPath, 'failureConverter', ['errorToFailure', 'failureToError']) ??
      given.failureConverter ??
      defaultFailureConverter,
    payloadCodecs,
  };
}
