import { AsyncLocalStorage } from 'node:async_hooks';
import { SourceMap, type SourceMapPayload } from 'node:module';
import vm from 'node:vm';
import type {
  Activation,
  Command,
  Round,
  Segment,
  StartJob,
  TaskFailureCause,
  WireFailure,
  WireQueryResult,
  WorkflowJob,
} from '../../common/index.ts';
import { LIMITS, type Log } from '../../core/index.ts';
import type { BundleTable, WorkflowBundle } from './bundle.ts';
import { difference, isTold, unaskedLocal } from './difference.ts';
import { installGlobals, type RealmHost } from './realm-globals.ts';
import { type BeginFields, makeRealm, type Realm } from './realm-runtime.ts';

/** What a round of an activation came to. */
export interface RoundResult {
  commands: Command[];
  /** Local activities that the instance waits for. */
  pendingLocal: Extract<Command, { kind: 'schedule-local-activity' }>[];
  closed: boolean;
}

/** An activation that failed. */
export interface RoundFailure {
  cause: TaskFailureCause;
  failure: WireFailure;
}

type LocalCommand = RoundResult['pendingLocal'][number];

/** What a replay came to. */
export type Replayed = { failure: RoundFailure } | { pendingLocal: LocalCommand[] };

const ORDER: Record<WorkflowJob['kind'], number> = {
  start: 0,
  'seed-changed': 1,
  signalled: 2,
  'update-requested': 2,
  'timer-fired': 3,
  'activity-resolved': 3,
  'child-started': 3,
  'child-start-failed': 3,
  'child-resolved': 3,
  'signal-external-resolved': 3,
  'cancel-external-resolved': 3,
  'cancel-requested': 3,
  'local-activity-resolved': 4,
};

/**
 * The same text in both forms of this file: evaluated in the realm. Strict, since a sloppy function that is called with
 * no `this` is given the realm's real global object, and a run could change that for all the others.
 */
const INSTALL = `"use strict";(${installGlobals.toString()})`;
const MAKE = `"use strict";(${makeRealm.toString()})`;

/** The run whose code a rejection that nobody handles came from. */
const runOfRejection = new AsyncLocalStorage<{ context: WorkflowContext; runId: string; isQuery?: boolean }>();
let listening = false;

/** A rejected promise that no one handles fails the task of the run that made it. */
function listenForRejections(): void {
  if (listening) return;
  listening = true;
  process.on('unhandledRejection', (reason) => {
    const from = runOfRejection.getStore();
    if (from) {
      // A query has been answered by then, and may change nothing: what it leaves behind is nobody's failure.
      if (!from.isQuery) from.context.noteRejection(from.runId, reason);
      return;
    }
    // Not a workflow's: it is the host's own, and must be as loud as ever.
    throw reason;
  });
}

/**
 * One realm with one bundle and many runs in it. Activating a run is: hand it jobs, drain the realm's microtasks, look
 * at its conditions, until nothing moves. All of it is synchronous; one evaluation belongs to one run.
 */
export class WorkflowContext {
  readonly #realm: Realm;
  readonly #drain = new vm.Script('0');
  readonly #context: object;
  readonly #sourceMapText: string;
  /** Parsed when the first stack is mapped: most sandboxes never map one, and parsing costs milliseconds. */
  #sourceMap: SourceMap | undefined;
  readonly #fileName: string;
  /** Activations that each instance has lived through. */
  readonly #stands = new Map<string, number>();
  readonly #rejected = new Map<string, unknown>();
  /** Instances whose function has ended. */
  readonly #closed = new Set<string>();

  /** @param options.sharesModules a planted bug: what one run's modules hold is seen by every other */
  constructor(
    bundle: WorkflowBundle,
    options: { log: Log; failureErrorTypes?: readonly string[]; sharesModules?: boolean },
  ) {
    listenForRejections();
    const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, {
      microtaskMode: 'afterEvaluate',
      codeGeneration: { strings: false, wasm: false },
    });
    this.#context = context;
    this.#fileName = `pleach-bundle-${bundle.id}.js`;
    this.#sourceMapText = bundle.sourceMap;
    const log = (level: string, message: string, fields: string): void => {
      options.log[level as 'info'](message, JSON.parse(fields) as Record<string, unknown>);
    };
    const make = vm.runInContext(MAKE, context) as typeof makeRealm;
    this.#realm = make(
      makeStorage,
      log,
      JSON.stringify(options.failureErrorTypes ?? []),
      options.sharesModules ?? false,
    );
    const install = vm.runInContext(INSTALL, context) as typeof installGlobals;
    const host: RealmHost = { url: this.#realm.lend(answerUrl) };
    // The bundle is loaded before the globals are closed: pleach's own modules see the same realm as the run's.
    install(host, this.#realm.clock);
    this.#realm.load(new vm.Script(bundle.code, { filename: this.#fileName }).runInContext(context) as BundleTable);
    this.#drain.runInContext(context);
  }

  /** How many activations the instance of a run has lived through; undefined where there is none. */
  standOf(runId: string): number | undefined {
    return this.#stands.get(runId);
  }

  /** Whether an instance has said how its run ends: it is of no use any more. */
  isClosed(runId: string): boolean {
    return this.#closed.has(runId);
  }

  get size(): number {
    return this.#stands.size;
  }

  evict(runId: string): void {
    this.#stands.delete(runId);
    this.#rejected.delete(runId);
    this.#closed.delete(runId);
    this.#realm.drop(runId);
  }

  evictAll(): void {
    for (const runId of this.#stands.keys().toArray()) this.evict(runId);
  }

  noteRejection(runId: string, reason: unknown): void {
    // An instance that was given up meanwhile fails no task any more.
    if (this.#stands.has(runId)) this.#rejected.set(runId, reason);
  }

  /** Whether the host reported a rejection for a run since it was last asked. */
  hasRejection(runId: string): boolean {
    return this.#rejected.has(runId);
  }

  /** What it reported. */
  takeRejection(runId: string): RoundFailure | undefined {
    if (!this.#rejected.has(runId)) return undefined;
    const reason = this.#rejected.get(runId);
    this.#rejected.delete(runId);
    const text = (key: 'message' | 'stack' | 'name'): string => {
      try {
        return String((reason as Record<string, unknown> | undefined)?.[key] ?? (key === 'message' ? reason : ''));
      } catch {
        return '';
      }
    };
    return {
      cause: 'ERROR_THROWN',
      failure: this.#mapped({
        kind: 'application',
        type: text('name') || 'Error',
        message: `unhandled rejection: ${text('message')}`,
        stackTrace: text('stack'),
      }),
    };
  }

  /** Makes an instance of a run. */
  create(start: StartJob, fields: BeginFields): RoundFailure | undefined {
    const { runId } = start;
    const made = runOfRejection.run({ context: this, runId }, () => {
      const good = this.#realm.create(runId, JSON.stringify(start), JSON.stringify(fields));
      this.#drain.runInContext(this.#context);
      return good;
    });
    this.#realm.leave(runId);
    if (made) {
      this.#stands.set(runId, 0);
      return undefined;
    }
    return { cause: 'ERROR_THROWN', failure: this.#mapped(JSON.parse(this.#realm.failure()) as WireFailure) };
  }

  /** Gives an instance one round of jobs and takes its commands. */
  round(runId: string, jobs: readonly WorkflowJob[], fields: BeginFields | undefined): RoundResult | RoundFailure {
    const realm = this.#realm;
    realm.enter(runId);
    const answer = runOfRejection.run({ context: this, runId }, () => {
      let begin = fields;
      for (const batch of jobs.length === 0 ? [[]] : batches(jobs)) {
        realm.apply(runId, JSON.stringify(batch.map(known)), begin ? JSON.stringify(begin) : '');
        begin = undefined;
        this.#settle(runId);
      }
      return JSON.parse(realm.finish(runId)) as RoundResult & { failure?: RoundFailure };
    });
    realm.leave(runId);
    if (answer.closed) this.#closed.add(runId);
    if (answer.failure) return { cause: answer.failure.cause, failure: this.#mapped(answer.failure.failure) };
    return answer;
  }

  #settle(runId: string): void {
    do this.#drain.runInContext(this.#context);
    while (this.#realm.unblock(runId) > 0);
  }

  query(runId: string, query: NonNullable<Activation['queries']>[number]): WireQueryResult {
    this.#realm.enter(runId);
    const answer = runOfRejection.run({ context: this, runId, isQuery: true }, () => {
      const text = this.#realm.query(runId, JSON.stringify(query));
      this.#drain.runInContext(this.#context);
      return text;
    });
    this.#realm.leave(runId);
    return JSON.parse(answer) as WireQueryResult;
  }

  /** Tells a new instance what its history holds beside jobs and commands that follow from them. */
  #recall(runId: string, segments: readonly Segment[]): void {
    const patches: string[] = [];
    const rejections: [string, WireFailure][] = [];
    for (const segment of segments) {
      for (const round of segment.rounds) {
        for (const command of round.commands ?? []) {
          if (command.kind === 'patch') patches.push(command.patchId);
          if (command.kind === 'update-rejected') rejections.push([command.updateId, command.failure]);
        }
      }
    }
    if (patches.length + rejections.length > 0)
      this.#realm.recall(runId, JSON.stringify(patches), JSON.stringify(rejections));
  }

  /** Takes one back. */
  retreat(runId: string): void {
    this.#stands.set(runId, (this.#stands.get(runId) ?? 1) - 1);
  }

  /** Counts an activation that the instance has lived through. */
  advance(runId: string): void {
    this.#stands.set(runId, (this.#stands.get(runId) ?? 0) + 1);
  }

  /** Rebuilds an instance from its history at one go. @returns as `replaying` does */
  replay(runId: string, segments: readonly Segment[]): Replayed {
    const steps = this.replaying(runId, segments);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /**
   * Rebuilds an instance from its history, comparing each command with the recorded one, and gives way after each
   * segment.
   * @returns what differs, if anything does; the local activities that the history leaves pending, else
   */
  *replaying(runId: string, segments: readonly Segment[]): Generator<void, Replayed> {
    this.evict(runId);
    const undelivered: WorkflowJob[] = [];
    let pendingLocal: LocalCommand[] = [];
    const askedLocals = new Map<number, string>();
    let length = 0;
    let bytes = 0;
    for (const segment of segments) {
      const answering = segment.rounds.find(({ commands }) => commands !== undefined);
      const told = answering?.told ?? { time: segment.time, historyLength: length, historyBytes: bytes };
      const fields: BeginFields = {
        ...told,
        isReplaying: true,
        suggestContinue: suggests(told.historyLength, told.historyBytes),
      };
      for (const [index, round] of segment.rounds.entries()) {
        const isLocal = index > 0 && isLocalRound(round);
        const own = round.jobs.filter(isWorkflowJob);
        if (!round.commands) {
          undelivered.push(...own);
          continue;
        }
        const jobs = isLocal ? own : [...undelivered.splice(0, round.delivered ?? undelivered.length), ...own];
        const start = jobs.find((job) => job.kind === 'start');
        if (start) {
          const failure = this.create(start, fields);
          if (failure) return { failure };
          this.#recall(runId, segments);
        }
        const answer = this.round(runId, jobs, isLocal ? undefined : fields);
        if ('cause' in answer) return { failure: answer };
        for (const command of answer.commands)
          if (command.kind === 'schedule-local-activity') askedLocals.set(command.seq, command.type);
        const mismatch = segment.endedLocals
          ? (unaskedLocal(segment.endedLocals, jobs, askedLocals) ??
            difference(round.commands, answer.commands.filter(isTold)))
          : difference(round.commands, answer.commands);
        if (mismatch !== undefined) {
          return {
            failure: {
              cause: 'NONDETERMINISM',
              failure: {
                kind: 'application',
                type: 'DeterminismViolationError',
                message: `[PLEACH1100] ${mismatch} (segment ${segment.seq}, activation ${(this.#stands.get(runId) ?? 0) + 1})`,
              },
            },
          };
        }
        pendingLocal = answer.pendingLocal;
        if (!isLocal) this.advance(runId);
      }
      length += segment.eventCount;
      bytes += segment.bytes ?? bytesOf(segment);
      yield;
    }
    return { pendingLocal };
  }

  /** Puts the author's files and lines into a stack. */
  #mapped(failure: WireFailure): WireFailure {
    const name = this.#fileName;
    const pattern = new RegExp(`${name}:(\\d+):(\\d+)`, 'g');
    const map = (stack: string): string =>
      stack
        .split('\n')
        .map((line) =>
          line.replace(pattern, (whole, row: string, column: string) => {
            this.#sourceMap ??= new SourceMap(JSON.parse(this.#sourceMapText) as SourceMapPayload);
            const entry = this.#sourceMap.findEntry(Number(row) - 1, Number(column) - 1);
            return 'originalSource' in entry
              ? `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
              : whole;
          }),
        )
        .join('\n');
    return {
      ...failure,
      ...(failure.stackTrace === undefined ? {} : { stackTrace: map(failure.stackTrace) }),
      ...(failure.cause ? { cause: this.#mapped(failure.cause) } : {}),
    };
  }
}

/** A job as an instance needs it: its start it was made with. */
function known(job: WorkflowJob): WorkflowJob | { kind: 'start' } {
  return job.kind === 'start' ? { kind: 'start' } : job;
}

/** Whether continuing as new is advised. */
export function suggests(events: number, bytes: number): boolean {
  return events >= LIMITS.continueAsNewEvents || bytes >= LIMITS.continueAsNewBytes;
}

/** Whether a round only goes on with the activation in front of it. */
export function isLocalRound(round: Round): boolean {
  return round.commands !== undefined && round.jobs[0]?.kind === 'local-activity-resolved';
}

/** Whether a job is delivered to workflow code. */
function isWorkflowJob(job: Round['jobs'][number]): job is WorkflowJob {
  return job.kind in ORDER;
}

/** Jobs in the order in which they are applied, in batches between which conditions are looked at. */
function batches(jobs: readonly WorkflowJob[]): WorkflowJob[][] {
  if (jobs.length <= 1) return jobs.length === 0 ? [] : [[...jobs]];
  const ordered = [...jobs]
    .map((job, index) => ({ job, index }))
    .sort((a, b) => ORDER[a.job.kind] - ORDER[b.job.kind] || a.index - b.index);
  // A start, signals and updates share a batch: a function that ends at once must still have heard what had come before.
  // Every other job is looked at on its own.
  const out: WorkflowJob[][] = [];
  let before = -1;
  for (const { job } of ordered) {
    const order = ORDER[job.kind];
    if (order <= 2 && before >= 0 && before <= 2) out.at(-1)!.push(job);
    else out.push([job]);
    before = order;
  }
  return out;
}

/** How many bytes a segment's body has: of a history that was read from events, which do not say. */
function bytesOf({ rounds, flags }: Segment): number {
  return Buffer.byteLength(JSON.stringify(flags?.length ? { rounds, flags } : { rounds }));
}

function makeStorage() {
  const storage = new AsyncLocalStorage<unknown>();
  return {
    run: <R>(store: unknown, work: () => R): R => storage.run(store, work),
    getStore: (): unknown => storage.getStore(),
  };
}

/** Parses and changes URLs for realms; never throws, and speaks text only. */
function answerUrl(request: string): string {
  try {
    const { href, base, set } = JSON.parse(request) as { href: string; base?: string; set?: [string, string] };
    const url = new URL(href, base);
    if (set) (url as unknown as Record<string, string>)[set[0]] = set[1];
    const { protocol, username, password, host, hostname, port, pathname, search, hash, origin } = url;
    return JSON.stringify({
      href: url.href,
      protocol,
      username,
      password,
      host,
      hostname,
      port,
      pathname,
      search,
      hash,
      origin,
    });
  } catch {
    return '{"error":"Invalid URL"}';
  }
}
