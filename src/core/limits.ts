/**
 * Every limit, with its unit and its reason. Reaching one is an error with a code, never silence.
 */
export const LIMITS = {
  /** Activations in one commit: past it, latency of the first grows with no gain in throughput. */
  commitActivationsMax: 500,
  /** Bytes of segment bodies and blobs in one commit. */
  commitBytesMax: 2 * 1024 * 1024,
  /** Jobs that wait for an activation on one node before new work is refused. */
  waitingJobsMax: 10_000,
  /** Bytes of waiting jobs on one node before new work is refused. */
  waitingBytesMax: 64 * 1024 * 1024,
  /** Bytes of one payload above which it is stored apart, as a blob: a segment is folded and paged without it. */
  blobBytesMin: 64 * 1024,
  /** Bytes of all payloads of one request. */
  requestBytesMax: 32 * 1024 * 1024,
  /** Characters of an id or a name (workflow id, queue, signal, type); the field's own limit. */
  nameCharactersMax: 1000,
  /** Request ids that a run remembers; a repeated request within them takes no second effect. */
  requestIdsMax: 10_000,
  /** Request ids that continue-as-new hands on. */
  requestIdsInherited: 1000,
  /** Activities, children, timers or external calls of one kind that are open in one run at once. */
  pendingPerRunMax: 100_000,
  /** Updates that are accepted and not completed in one run at once. */
  updatesInFlightMax: 1000,
  /** Events after which workflowInfo().continueAsNewSuggested is true. */
  continueAsNewEvents: 4096,
  /** Bytes of history after which it is true. */
  continueAsNewBytes: 4 * 1024 * 1024,
  /** How long a node's lease lives without a commit. */
  leaseTtlMs: 10_000,
  /** How long before the end of its lease a node stops acting, by its own monotonic clock. */
  leaseSlackMs: 2_000,
  /** How often a node looks who else is there and whether a partition is free. At most a quarter of the lease. */
  clusterLookMs: 1_000,
  /** How often a node looks whether a partition that it gives away is still. */
  leaveLookMs: 5,
  /** How long a request waits for its partition to have an owner that can be reached. */
  ownerWaitMs: 30_000,
  /** How long a connection to PostgreSQL may take to be made. With the two below it lies well within a lease. */
  storeConnectMs: 2_000,
  /** How long PostgreSQL works on a commit or a claim before it gives up. */
  storeStatementMs: 3_000,
  /** How long a commit or a claim waits in PostgreSQL for another's lock. */
  storeLockMs: 2_000,
  /** How long PostgreSQL works on a read. */
  storeReadMs: 10_000,
  /** How long a read waits for a connection. */
  storeReadWaitMs: 5_000,
  /** Connections for reads that a node has to PostgreSQL. */
  storeReadConnectionsMax: 4,
  /** How long PostgreSQL works on one step of a migration, its wait for other nodes included. */
  storeMigrationMs: 60_000,
  /** How long hints gather before they travel together. */
  hintGatherMs: 2,
  /** How long a node gathers what it tells the matchers of queues. */
  offerMs: 5,
  /** How long slots of another node's worker are kept without use. */
  grantUnusedMs: 50,
  /** How long a query waits for another node's worker before it is told that there is none. */
  workerWaitMs: 2_000,
  /** Messages between runs that are read at a time. */
  inboxPageRows: 1_000,
  /** How long a full page of messages that are all being applied is left alone. */
  inboxFullMs: 20,
  /** An activation slower than this lets the journal commit its jobs without it. */
  localActivationMs: 5,
  /** What it is allowed on top of that for each activation at the same worker. */
  localActivationInLineMicros: 250,
  /** The most that it is allowed in all: less than any code needs that makes V8 abort the process. */
  localActivationMsMax: 100,
  /** Default time-out of a workflow task. */
  workflowTaskTimeoutMs: 10_000,
  /** How long one activation may run without a sign of life before its sandbox is ended. */
  sandboxSpinMs: 5_000,
  /** How long a quarantine process without work is kept. */
  quarantineIdleMs: 30_000,
  /** What a process says at its end that is kept for the message. */
  quarantineSaidBytes: 4096,
  /** Runs that a worker remembers for having ended a sandbox. */
  culpritsMax: 1000,
  /** How long after the death of its predecessor a node has queries and updates run apart. */
  waryMs: 60_000,
  /** First and last wait between tries of a failing workflow task. */
  taskRetryFirstMs: 1_000,
  taskRetryMaxMs: 600_000,
  /** Runs whose state a node keeps in memory while they wait. */
  cachedRunsMax: 10_000,
  /** How long an attempt on a process that went away may stay unannounced. */
  attemptUnannouncedMs: 5_000,
  /** How long the function of a transaction on SQLite may take: nobody else writes meanwhile. */
  transactionMs: 1_000,
  /** How long the journal lets a transaction have the database without hearing of its end. */
  transactionGrantMs: 2_000,
  /** How often a transaction is asked for anew where the fence moved before it began. */
  transactionAsksMax: 5,
  /** Statements of authors that one connection keeps prepared. */
  statementsKeptMax: 200,
  /** How often a peer is asked whether it lives. */
  pingMs: 5_000,
  /** Segments in one page of history to a worker. */
  historyPageSegments: 500,
  /** Bytes in one such page, large payloads and all; a segment that has more is a page alone. */
  historyPageBytes: 32 * 1024 * 1024,
  /** Histories that a fold has read and that are kept for the replay after it, together. */
  keptRowsBytes: 16 * 1024 * 1024,
} as const;
