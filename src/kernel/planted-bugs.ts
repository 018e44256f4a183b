/**
 * Faults of our own, switched on only by tests: each must turn its promise's test red, which is how we know that the
 * test can see.
 */
export const PLANTED_BUGS = {
  'acknowledge-before-commit': 'I12: a start, signal or update is acknowledged before its commit',
  'forget-request-ids': 'I2, I14: a repeated request takes effect twice',
  'ignore-maximum-attempts': 'I15: a lost attempt is retried past maximumAttempts',
  'timer-fires-early': 'I6: a timer fires before its time',
  'lose-message': 'I10, I11: a message between runs is dropped',
} as const;

/** The name of one. */
export type PlantedBug = keyof typeof PLANTED_BUGS;
