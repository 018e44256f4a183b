/**
 * workflow: what authors of workflows import, and what runs their functions inside the sandbox.
 *
 * Nouns: activities as functions (`proxyActivities`), timers (`sleep`, `condition`), messages (signals, queries,
 * updates with validators), children and external workflows, cancellation scopes, patches, sagas; and the activator,
 * which is one instance of a workflow function: jobs go in, commands come out.
 *
 * It promises determinism: the same jobs give the same commands, on any host and in any process. Nothing here touches
 * the host; what must come from it (the clock of the run, what carries a scope through awaits) is handed in. The names
 * and semantics are those of the Temporal TypeScript SDK's workflow package; `saga` and the options `fallback`,
 * `retry.delays`, `retry.jitter` and `retry.rules` are additions beside them.
 *
 * When the world fails: a failure of a closed set of classes, thrown from the workflow function, fails the workflow;
 * any other error fails only the workflow task, which is tried again until the code is mended.
 */
export * from './activator.ts';
export * from './activities.ts';
export * from './async-local-storage.ts';
export * from './children.ts';
export * from './errors.ts';
export * from './info.ts';
export * from './interceptors.ts';
export * from './prng.ts';
export * from './saga.ts';
export * from './scope.ts';
export * from './sinks.ts';
export * from './timers.ts';
export * from './trigger.ts';
export * from './workflow.ts';
