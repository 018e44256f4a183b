/**
 * contract: what is said between a kernel and everyone else.
 *
 * Nouns: requests (what a client may ask, with its answer), messages (what flows both ways on a link), the link itself,
 * the address that a link is opened on, and the caller that keeps a conversation going over broken links. The words that
 * a workflow and its kernel exchange (jobs, commands, segments) are `common`'s; they travel inside these messages
 * unchanged. In `history/`, segments become events of the field's history JSON, and events segments: how many events
 * there are and how they are numbered is decided there and nowhere else.
 *
 * It promises to be plain data and types, safe in a browser: nothing here spawns, reads a clock or opens a socket. Each
 * message is JSON as it stands, so that a thread, a socket and a server can carry the same protocol.
 *
 * When the world fails, a link says `closed` once, and an answer carries a `RemoteError`: one of `core`'s codes, the
 * sentence, and the values it speaks of. An address that nobody can open says which ones can be.
 */
export * from './history/index.ts';
export * from './protocol/address.ts';
export * from './protocol/messages.ts';
export * from './protocol/requests.ts';
export * from './protocol/caller.ts';
