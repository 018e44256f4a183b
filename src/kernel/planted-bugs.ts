/**
 * Faults of our own, one for each promise of ARCHITECTURE.md, switched on only by tests: each must make the simulator name
 * its promise, which is how we know that the simulator can see. Off, each costs a comparison where it would act.
 */
export const PLANTED_BUGS = {
  'append-after-close': 'I1: a run that has closed gets another segment',
  'trust-unknown-commits': 'I2: a commit of unknown outcome is taken for written',
  'act-without-lease': 'I3: a node answers and hands out attempts after its lease has ended',
  'repeat-finished-steps': 'I4: a step whose result is durable is handed out again',
  'take-stale-results': 'I5: a result is taken from an attempt that is no longer current',
  'timer-fires-early': 'I6: a timer fires before its time',
  'recover-without-request-ids': 'I7: a run that is loaded is not what its segments fold to',
  'close-without-event': 'I8: a run is closed, and its closing segment is not written',
  'take-in-without-room': 'I9: new work is taken in though too much waits',
  'lose-message': 'I10: a message between runs is dropped',
  'apply-messages-twice': 'I11: a message between runs is applied twice',
  'acknowledge-before-commit': 'I12: a start, signal or update is acknowledged before its commit',
  'share-modules': 'I13: the modules of one run are those of every other in its thread',
  'forget-request-ids': 'I14: a repeated request takes effect twice',
  'ignore-maximum-attempts': 'I15: a lost attempt is retried past maximumAttempts',
  'act-before-decision': 'I16: what a promised decision is about takes effect without it',
  'accept-older-batch': 'I17: a store that was put back takes the commit of a node that has seen a later state',
} as const;

/** The name of one. */
export type PlantedBug = keyof typeof PLANTED_BUGS;
