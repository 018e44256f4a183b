/**
 * core: what every other room stands on.
 *
 * Nouns: ids (`RunId`, `NodeId`, `Partition`), the closed list of error codes and their one class, the named limits,
 * and the ports through which the rooms above receive time, randomness and a log.
 *
 * It promises to know nothing of workflows, stores or wires, so that anything may import it. The two files that touch
 * the host (`system.ts`: its clock and its generator) are the only ones in the repository that may: whoever needs the
 * time takes a `Clock`, and the simulator hands in one of its own.
 *
 * When the world fails here there is only one thing to say it with: a `PleachError` with a code. Programmers' mistakes
 * are assertions, which stay on in production.
 */
export * from './errors.ts';
export * from './exec.ts';
export * from './ids.ts';
export * from './limits.ts';
export * from './load-module.ts';
export * from './log.ts';
// By name: the published package imports this one file from outside the file that the rest is joined into.
export { sourceExtension, sourceFile, sourceRoot } from './place.ts';
export * from './ports.ts';
export * from './system.ts';
