/**
 * kernel: runs deterministic workflow functions over an event history, and keeps that history durable.
 *
 * Nouns: the node (a process that holds the lease), the run in memory (`LiveRun`), the journal (the only way to
 * durability), the segment (one commit of a run), the activation (jobs out to a worker, commands back), the attempt of
 * an activity, the transaction that the journal lends the database to, the queue with its workers, the inbox between runs, the peer at the other end of a channel. `machine/`
 * is pure: the state of a run as a fold over its segments, and the tables by which it moves.
 *
 * One run, followed: a job arrives (`activations.arrive`); it is sent to a worker of this process, whose commands come
 * back; both make a segment, which is folded into the state and handed to the journal with the messages and attempts
 * that it causes; when its commit returns, callers are answered, activities start and messages are delivered. Nothing
 * of that happens before.
 *
 * It promises I1 to I17 of ARCHITECTURE.md. It never imports workflow code, decodes no payload but search attributes, and takes time,
 * randomness, the store and its channels as ports, which is how the simulator owns the world it runs in.
 *
 * When the world fails: a commit of unknown outcome is found out under a new epoch before anything else; a known
 * failure is bisected to the entry that causes it; a full disk stops acceptance and keeps reads; a lost lease ends the
 * node at once, with nothing more said. A failing workflow task blocks its run, visibly, and never fails it.
 */
export * from './admission.ts';
export * from './attribute-values.ts';
export { Apart } from './blobs.ts';
export * from './deadlines.ts';
export * from './machine/fold.ts';
export * from './machine/state.ts';
export * from './machine/tables.ts';
export * from './node.ts';
export { type Peer } from './peer.ts';
export * from './planted-bugs.ts';
export * from './segments.ts';
export type { PeerChannel } from './workers.ts';
