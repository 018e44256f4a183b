/**
 * common: what authors of workflows, activities and clients share.
 *
 * Nouns: failures and their causes, the retry policy, durations, payload converters and codecs, search-attribute keys,
 * and, in `wire/`, the words that a workflow and its kernel exchange: jobs, commands, rounds and segments, with
 * payloads that the kernel never opens.
 *
 * It promises to be deterministic and free of the host: it runs inside the workflow sandbox as it runs outside, imports
 * nothing from `node:`, and keeps the names and shapes of the Temporal TypeScript SDK's `common` package where that
 * has them. The wire forms are plain JSON and of one piece with the stored history, so a field is added, never renamed.
 *
 * When the world fails it is a failure here: a value of a closed set of classes with its cause chain, which survives
 * the trip through a history and back.
 */
export * from './wire/index.ts';
export * from './activity-cancellation-details.ts';
export * from './retry.ts';
export * from './data-converter.ts';
export * from './database.ts';
export * from './duration.ts';
export * from './encoding.ts';
export * from './errors.ts';
export * from './failure.ts';
export * from './failure-converter.ts';
export * from './interceptors.ts';
export * from './logger.ts';
export * from './metrics.ts';
export * from './nearest-names.ts';
export * from './payload.ts';
export * from './retry-policy.ts';
export * from './search-attributes.ts';
export * from './shown.ts';
export * from './symbol-instanceof.ts';
export * from './types.ts';
export * from './wire-payload.ts';
