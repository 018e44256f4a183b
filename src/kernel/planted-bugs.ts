/**
 * Faults of our own, one for each promise, switched on only by tests: each must turn its promise's test red, which is
 * how we know that the test can see.
 */
export const PLANTED_BUGS = {
  'acknowledge-before-commit': 'I2, I12: a start, signal or update is acknowledged before its commit',
  'skip-epoch-check': 'I3: a fenced node goes on writing',
  'forget-request-ids': 'I14: a repeated request takes effect twice',
  'rerun-completed-step': 'I4: an activity whose result is durable is run again after recovery',
  'ignore-maximum-attempts': 'I4, I15: a lost attempt is retried past maximumAttempts',
  'accept-stale-token': 'I5: the result of a superseded attempt is taken',
  'timer-fires-early': 'I6: a timer fires before its time',
  'timer-lost-on-recovery': 'I6, I10: a timer is forgotten by recovery',
  'replay-drops-command': 'I7: a replay leaves out a command',
  'position-gap': 'I8: the log of a partition skips a position',
  'overload-after-acceptance': 'I9: a request is refused after it was taken',
  'lose-inbox-deduplication': 'I11: a message between runs is applied twice',
  'lose-message': 'I2, I11: a message between runs is dropped',
  'two-open-runs': 'I1: two runs of one workflow id are open',
  'event-after-close': 'I1: something is appended to a closed run',
  'effect-before-decision': 'I16: an activity starts before its admission is durable',
  'blind-after-restore': 'I17: a store that went back in time is written to',
  'shared-run-state': 'I13: one run sees the state of another',
} as const;

/** The name of one. */
export type PlantedBug = keyof typeof PLANTED_BUGS;
