/**
 * testing: environments for users' tests, and worlds in which everything that can go wrong does, by a seed.
 *
 * Nouns: the environment (an engine in memory whose time can jump), the activity environment; and, for ourselves, the
 * world (nodes, workers, clients and a store in one process), the scheduler (the one owner of virtual time
 * and of chance), the simulated process (it can die, be paused, have a wrong clock), the faulty store, and the checker,
 * which watches from outside.
 *
 * It promises that one seed gives one story: the same trace, byte for byte. What runs in a world is the production
 * code, the kernel and the sandbox, behind the ports it always has; nothing in it knows that it is simulated. First
 * things go wrong and safety is watched; then the world is healed, and everything that was begun must come to an end.
 *
 * When a world fails it names the promise that was broken, by its number in ARCHITECTURE.md, and its seed, which
 * repeats the story.
 */
export * from './environment.ts';
export * from './mock-activity-environment.ts';
export * from './simulator/checker.ts';
export * from './simulator/scheduler.ts';
export * from './simulator/world.ts';
export * from './workflow-interceptor-modules.ts';
