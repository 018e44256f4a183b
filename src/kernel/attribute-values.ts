import { searchAttributesFromWire, type WirePayload, type WirePayloadMap } from '../common/index.ts';
import type { RunId } from '../core/index.ts';
import type { AttributeValue, RunAttributes } from '../store/index.ts';

/**
 * A run's search attributes as filters will compare them. They are the one sort of payload that the kernel reads: authors
 * give them to be read by others, so they are plain JSON, and no codec touches them. Where a payload names no type, it is
 * that of its values. What cannot be read has no row: it is in the history and in what `describe` says as it was given.
 */
export function attributeValues(attributes: WirePayloadMap): AttributeValue[] {
  const values = new Map<string, AttributeValue>();
  for (const [key, payload] of Object.entries(attributes)) {
    for (const value of valuesOf(key.toWellFormed(), payload)) {
      values.set(JSON.stringify([value.key, value.value]), value);
    }
  }
  return [...values.values()];
}

/** All rows of a run's search attributes. */
export function runAttributes(run: { id: RunId; namespace: string }, attributes: WirePayloadMap): RunAttributes {
  return { run: run.id, namespace: run.namespace, values: attributeValues(attributes) };
}

/** Whether there is any, taken away or not: a run that never had one writes no rows. */
export function hasAttributes(attributes: WirePayloadMap | undefined): attributes is WirePayloadMap {
  for (const _ in attributes) return true;
  return false;
}

function valuesOf(key: string, payload: WirePayload): AttributeValue[] {
  let read: ReturnType<typeof searchAttributesFromWire>;
  try {
    read = searchAttributesFromWire({ [key]: payload });
  } catch {
    // Not JSON, from a client that is not ours: a start is not refused for what only lists would read.
    return [];
  }
  const [typed] = read.typed.getAll();
  if (!typed) {
    const given: unknown[] = Object.values(read.untyped).flat();
    return given.flatMap((value) => untypedValue(key, value, given.length));
  }
  const { type } = typed.key;
  switch (type) {
    case 'BOOL':
      return [{ key, type, value: Number(typed.value) }];
    case 'DATETIME':
      return [{ key, type, value: (typed.value as Date).getTime() }];
    case 'KEYWORD_LIST':
      return (typed.value as string[]).map((value) => ({ key, type, value: value.toWellFormed() }));
    case 'TEXT':
    case 'KEYWORD':
      return [{ key, type, value: (typed.value as string).toWellFormed() }];
    case 'INT':
    case 'DOUBLE':
      return [{ key, type, value: typed.value as number }];
  }
}

function untypedValue(key: string, value: unknown, count: number): AttributeValue[] {
  if (typeof value === 'string')
    return [{ key, type: count > 1 ? 'KEYWORD_LIST' : 'KEYWORD', value: value.toWellFormed() }];
  if (typeof value === 'boolean') return [{ key, type: 'BOOL', value: Number(value) }];
  if (typeof value === 'number') return [{ key, type: Number.isInteger(value) ? 'INT' : 'DOUBLE', value }];
  return [];
}
