import {
  encode,
  fromBase64,
  payloadFromWire,
  payloadToWire,
  toBase64,
  type WireFailure,
  type WirePayload,
  type WirePayloadMap,
  type WireRetryPolicy,
  type WireRetryState,
} from '../../common/index.ts';

/**
 * The field's JSON form of what histories are made of (payloads, failures, durations, enums), written and read. Reading
 * is lenient: histories come from several exporters, which write enums in either case and durations in two shapes, and
 * leave out what is nothing.
 */

/** Attributes of an event, or a part of them. */
export type Json = Record<string, unknown>;

/** A part that is an object; an empty one where it is absent. */
export function part(json: Json, key: string): Json {
  const value = json[key];
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

/** A text; undefined where it is absent or empty, which is how that JSON says nothing. */
export function text(json: Json, key: string): string | undefined {
  const value = json[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A number, written as one or as text; undefined where it is absent or 0. */
export function number(json: Json, key: string): number | undefined {
  const value = Number(json[key] ?? 0);
  return Number.isFinite(value) && value !== 0 ? value : undefined;
}

/** An object of the fields that have a value. */
export function present(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

// ---- enums ----

/** `COMPLETED` of the enum `RUN_STATUS` as that JSON has it: `RUN_STATUS_COMPLETED`. */
export const enumTo = (prefix: string, value: string | undefined): string | undefined =>
  value === undefined ? undefined : `${prefix}_${value}`;

/** And back; also from `Completed`, as older exporters write it. */
export function enumFrom(prefix: string, value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  const upper = /[a-z]/.test(value) ? value.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase() : value;
  const bare = upper.startsWith(`${prefix}_`) ? upper.slice(prefix.length + 1) : upper;
  return bare === 'UNSPECIFIED' ? undefined : bare;
}

// ---- times ----

/** Milliseconds as a duration: `1.5s`. */
export function durationTo(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${(ms / 1000).toFixed(6).replace(/0{1,3}$/, '')}s`;
}

/** And back, from text or from seconds and nanoseconds; undefined where it is absent or nothing. */
export function durationFrom(value: unknown): number | undefined {
  let ms: number;
  if (typeof value === 'string') ms = Math.round(Number(value.replace(/s$/, '')) * 1e6) / 1e3;
  else if (typeof value === 'object' && value !== null) {
    const { seconds = 0, nanos = 0 } = value as { seconds?: number | string; nanos?: number };
    ms = Number(seconds) * 1000 + nanos / 1e6;
  } else return undefined;
  return Number.isFinite(ms) && ms !== 0 ? ms : undefined;
}

/** An instant in milliseconds, from text or from seconds and nanoseconds. */
export function timeFrom(value: unknown): number {
  if (typeof value === 'string') return Math.max(0, Date.parse(value) || 0);
  return Math.floor(durationFrom(value) ?? 0);
}

// ---- payloads ----

const payloadTo = (wire: WirePayload): Json => {
  const { metadata = {}, data } = payloadFromWire(wire);
  const written = Object.fromEntries(Object.entries(metadata ?? {}).map(([key, value]) => [key, toBase64(value)]));
  return present({ metadata: written, data: data ? toBase64(data) : undefined });
};

const payloadFrom = (json: unknown): WirePayload => {
  const { metadata = {}, data } = json as { metadata?: Record<string, string>; data?: string };
  return payloadToWire({
    metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, fromBase64(value)])),
    ...(data === undefined ? {} : { data: fromBase64(data) }),
  });
};

/** One payload; undefined stays undefined. */
export const onePayloadTo = (wire: WirePayload | undefined): Json | undefined =>
  wire === undefined ? undefined : payloadTo(wire);
/** And back. */
export const onePayloadFrom = (json: unknown): WirePayload | undefined => (json ? payloadFrom(json) : undefined);

/** A list of payloads; an empty one is absent. */
export const payloadsTo = (list: readonly WirePayload[] | undefined): Json | undefined =>
  list?.length ? { payloads: list.map(payloadTo) } : undefined;
/** And back. */
export function payloadsFrom(json: unknown): WirePayload[] | undefined {
  const { payloads } = (json ?? {}) as { payloads?: unknown[] };
  return payloads?.length ? payloads.map(payloadFrom) : undefined;
}

/** Named payloads, under the name that their message has for them. */
export const mapTo = (map: WirePayloadMap | undefined, fields: string): Json | undefined =>
  map && { [fields]: Object.fromEntries(Object.entries(map).map(([key, wire]) => [key, payloadTo(wire)])) };
/** And back. */
export function mapFrom(json: unknown, fields: string): WirePayloadMap | undefined {
  const found = part((json ?? {}) as Json, fields);
  const entries = Object.entries(found).map(([key, value]) => [key, payloadFrom(value)] as const);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** A JSON value as a payload, and its value. */
export const valueTo = (value: unknown): Json => payloadTo(JSON.stringify(value));
/** And back; undefined for what is not plain JSON. */
export function valueFrom(json: unknown): unknown {
  const wire = onePayloadFrom(json);
  return typeof wire === 'string' ? (JSON.parse(wire) as unknown) : undefined;
}

/** A token as that JSON has bytes. */
export const bytesTo = (token: string): string => toBase64(encode(token));

// ---- retry policies ----

/** A retry policy; what only pleach has in one is not among it. */
export function retryPolicyTo(policy: WireRetryPolicy | undefined): Json | undefined {
  if (!policy) return undefined;
  return present({
    initialInterval: durationTo(policy.initialIntervalMs),
    backoffCoefficient: policy.backoffCoefficient,
    maximumInterval: durationTo(policy.maximumIntervalMs),
    maximumAttempts: policy.maximumAttempts,
    nonRetryableErrorTypes: policy.nonRetryableErrorTypes,
  });
}

/** And back. */
export function retryPolicyFrom(json: unknown): WireRetryPolicy | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const policy = json as Json;
  return present({
    initialIntervalMs: durationFrom(policy['initialInterval']),
    backoffCoefficient: number(policy, 'backoffCoefficient'),
    maximumIntervalMs: durationFrom(policy['maximumInterval']),
    maximumAttempts: number(policy, 'maximumAttempts'),
    nonRetryableErrorTypes: policy['nonRetryableErrorTypes'],
  }) as WireRetryPolicy;
}

// ---- failures ----

/** A failure with its causes. */
export function failureTo(failure: WireFailure | undefined): Json | undefined {
  if (!failure) return undefined;
  return present({
    message: failure.message,
    source: failure.source,
    stackTrace: failure.stackTrace,
    encodedAttributes: onePayloadTo(failure.encodedAttributes),
    cause: failureTo(failure.cause),
    ...infoTo(failure),
  });
}

function infoTo(failure: WireFailure): Json {
  switch (failure.kind) {
    case 'application':
      return {
        applicationFailureInfo: present({
          type: failure.type,
          nonRetryable: failure.nonRetryable,
          details: payloadsTo(failure.details),
          nextRetryDelay: durationTo(failure.nextRetryDelayMs),
          category: enumTo('APPLICATION_ERROR_CATEGORY', failure.category),
        }),
      };
    case 'timeout':
      return {
        timeoutFailureInfo: present({
          timeoutType: enumTo('TIMEOUT_TYPE', failure.timeoutType),
          lastHeartbeatDetails: payloadsTo(failure.lastHeartbeatDetails),
        }),
      };
    case 'cancelled':
      return { canceledFailureInfo: present({ details: payloadsTo(failure.details) }) };
    case 'terminated':
      return { terminatedFailureInfo: {} };
    case 'server':
      return { serverFailureInfo: present({ nonRetryable: failure.nonRetryable }) };
    case 'activity':
      return {
        activityFailureInfo: present({
          activityType: { name: failure.activityType },
          activityId: failure.activityId,
          identity: failure.identity,
          retryState: enumTo('RETRY_STATE', failure.retryState),
        }),
      };
    case 'child':
      return {
        childWorkflowExecutionFailureInfo: present({
          namespace: failure.namespace,
          workflowExecution: { workflowId: failure.workflowId, runId: failure.runId },
          workflowType: { name: failure.workflowType },
          retryState: enumTo('RETRY_STATE', failure.retryState),
        }),
      };
  }
}

/** And back. */
export function failureFrom(given: unknown): WireFailure {
  const json = (given ?? {}) as Json;
  const base = present({
    message: typeof json['message'] === 'string' ? json['message'] : '',
    source: text(json, 'source'),
    stackTrace: json['stackTrace'] as string | undefined,
    encodedAttributes: onePayloadFrom(json['encodedAttributes']),
    cause: json['cause'] ? failureFrom(json['cause']) : undefined,
  });
  return { ...base, ...infoFrom(json) } as unknown as WireFailure;
}

/** A retry state, where one is written. */
export const retryStateFrom = (value: unknown): WireRetryState =>
  (enumFrom('RETRY_STATE', value) ?? 'IN_PROGRESS') as WireRetryState;

function infoFrom(json: Json): Json {
  const info = (key: string): Json | undefined => (json[key] ? part(json, key) : undefined);
  const timeout = info('timeoutFailureInfo');
  if (timeout) {
    return present({
      kind: 'timeout',
      timeoutType: enumFrom('TIMEOUT_TYPE', timeout['timeoutType']) ?? 'START_TO_CLOSE',
      lastHeartbeatDetails: payloadsFrom(timeout['lastHeartbeatDetails']),
    });
  }
  const cancelled = info('canceledFailureInfo');
  if (cancelled) return present({ kind: 'cancelled', details: payloadsFrom(cancelled['details']) });
  if (info('terminatedFailureInfo')) return { kind: 'terminated' };
  const server = info('serverFailureInfo');
  if (server) return present({ kind: 'server', nonRetryable: server['nonRetryable'] });
  const activity = info('activityFailureInfo');
  if (activity) {
    return present({
      kind: 'activity',
      activityType: text(part(activity, 'activityType'), 'name') ?? '',
      activityId: text(activity, 'activityId') ?? '',
      identity: text(activity, 'identity'),
      retryState: retryStateFrom(activity['retryState']),
    });
  }
  const child = info('childWorkflowExecutionFailureInfo');
  if (child) {
    return {
      kind: 'child',
      namespace: text(child, 'namespace') ?? '',
      workflowId: text(part(child, 'workflowExecution'), 'workflowId') ?? '',
      runId: text(part(child, 'workflowExecution'), 'runId') ?? '',
      workflowType: text(part(child, 'workflowType'), 'name') ?? '',
      retryState: retryStateFrom(child['retryState']),
    };
  }
  const application = part(json, 'applicationFailureInfo');
  return present({
    kind: 'application',
    type: text(application, 'type'),
    nonRetryable: application['nonRetryable'] === true ? true : undefined,
    details: payloadsFrom(application['details']),
    nextRetryDelayMs: durationFrom(application['nextRetryDelay']),
    category: enumFrom('APPLICATION_ERROR_CATEGORY', application['category']),
  });
}
