import type { StartJob, WireStart } from '../common/index.ts';
import type {
  ActivityRef,
  Effect,
  RequestName,
  Requests as RequestTable,
  RunResult,
  RunTarget,
  UpdateAnswer,
  UpdateStage,
} from '../contract/index.ts';
import { LIMITS, PleachError, type RunId } from '../core/index.ts';
import type { RunRow } from '../store/index.ts';
import { closedError } from './closed-error.ts';
import type { AdmissionRequest, OperatorAct } from './admission.ts';
import { deliverOnce } from './deliver-once.ts';
import { describeRun } from './describe.ts';
import { findUndurable, type LiveRun, whenDurable } from './live-run.ts';
import { stageOf } from './machine/state.ts';
import type { KernelNode } from './node.ts';
import { operate, requireAct } from './operator-acts.ts';
import { payloadBytes, requireName, requirePayloads } from './request-checks.ts';
import { loadPage } from './segments.ts';
import { startRun } from './start-run.ts';

type Params<N extends RequestName> = RequestTable[N]['params'];
type Answer<N extends RequestName> = Promise<RequestTable[N]['answer']>;
/** An open run, which is in memory then, or the row of a closed one. */
type Found = { run: LiveRun } | { run: undefined; row: RunRow };
/** Lets a handler say how to forget a request whose caller no longer waits. */
type OnForget = (forget: () => void) => void;

/** What clients ask of a node. Every answer that tells of an effect waits until that effect is durable. */
export class Requests {
  readonly #node: KernelNode;

  constructor(node: KernelNode) {
    this.#node = node;
  }

  /** @throws PleachError, which the caller is told */
  async handle(method: RequestName, params: unknown, onForget: OnForget): Promise<unknown> {
    switch (method) {
      case 'start':
        return this.#start(params as Params<'start'>);
      case 'signal':
        return this.#signal(params as Params<'signal'>);
      case 'signal-with-start':
        return this.#signalWithStart(params as Params<'signal-with-start'>);
      case 'query':
        return this.#query(params as Params<'query'>);
      case 'update':
        return this.#update(params as Params<'update'>, onForget);
      case 'update-with-start':
        return this.#updateWithStart(params as Params<'update-with-start'>, onForget);
      case 'poll-update':
        return this.#pollUpdate(params as Params<'poll-update'>, onForget);
      case 'result':
        return this.#result(params as Params<'result'>, onForget);
      case 'describe':
        return this.#describe(params as Params<'describe'>);
      case 'cancel':
        return this.#cancel(params as Params<'cancel'>);
      case 'terminate':
        return this.#terminate(params as Params<'terminate'>);
      case 'history':
        return this.#history(params as Params<'history'>);
      case 'pause':
      case 'resume':
      case 'pause-activity':
      case 'unpause-activity':
      case 'update-activity-options':
        return this.#operate(method, params as Params<typeof method>);
      case 'complete-activity':
        return this.#completeActivity(params as Params<'complete-activity'>);
      case 'begin-transaction':
        return this.#node.transactions.begin(params as Params<'begin-transaction'>, onForget);
      case 'end-transaction':
        this.#node.transactions.end((params as Params<'end-transaction'>).grant);
        return {};
      case 'heartbeat-activity':
        return this.#heartbeatActivity(params as Params<'heartbeat-activity'>);
      default:
        throw new PleachError(
          'INVALID_ARGUMENT',
          `this engine knows no request "${String(method)}"; update it, or the client`,
          { method },
        );
    }
  }

  // ---- finding ----

  async #row(target: RunTarget): Promise<RunRow> {
    requireName('workflow id', target.workflowId);
    const [row] = await this.#node.store.findRuns([target.runId ? { runId: requireRunId(target) } : target]);
    if (!row || row.namespace !== target.namespace || row.workflowId !== target.workflowId)
      throw workflowNotFound(target);
    if (target.firstRunId !== undefined && row.firstRun !== target.firstRunId) throw workflowNotFound(target);
    return row;
  }

  /** The run in memory; loads an open one. Undefined for a closed one, whose row comes with it. */
  async #find(target: RunTarget): Promise<Found> {
    const live = target.runId
      ? this.#node.runs.get(target.runId as RunId)
      : this.#node.openRuns.get(`${target.namespace}\0${target.workflowId}`);
    if (live && live.namespace === target.namespace && live.workflowId === target.workflowId && !live.state.closing) {
      if (target.firstRunId === undefined || live.row.firstRun === target.firstRunId) return { run: live };
    }
    for (;;) {
      const row = await this.#row(target);
      const run = await this.#node.load(row);
      if (run) return { run };
      // Open when it was looked up and not when it was loaded: it has closed between, and may go on in another run.
      if (row.status !== 'RUNNING') return { run: undefined, row };
    }
  }

  async #open(target: RunTarget): Promise<LiveRun> {
    return requireOpen(await this.#find(target));
  }

  /** Finds a run and has an act on it admitted; again, where the run left memory while the rules took their time. */
  async #findAdmitted(act: AdmissionRequest['act'], target: RunTarget, identity: string): Promise<Found> {
    for (;;) {
      const found = await this.#find(target);
      if (!found.run) return found;
      await this.#admit(act, target, found.run.row.type, identity);
      if (!found.run.dropped) return found;
    }
  }

  /** A request that took effect before its run closed is told so again; any other comes too late. */
  async #repeatOnClosed(row: RunRow, requestId: string): Promise<{ runId: string }> {
    const state = await this.#node.foldRun(row.run);
    if (state.requestIds.has(requestId)) return { runId: row.run };
    throw closedError({ workflowId: row.workflowId, id: row.run, state: { status: row.status } });
  }

  async #admit(
    act: AdmissionRequest['act'],
    target: { namespace: string; workflowId: string },
    workflowType: string,
    identity: string,
  ): Promise<void> {
    const { admission } = this.#node;
    if (!admission) return;
    const decision = await admission.decide({
      act,
      namespace: target.namespace,
      workflowId: target.workflowId,
      workflowType,
      identity,
    });
    if (decision.admitted) return;
    throw new PleachError(
      'ADMISSION_DENIED',
      `${act} of workflow "${target.workflowId}" was denied${decision.rule ? ` by ${decision.rule}` : ''}${decision.reason ? `: ${decision.reason}` : ''}`,
      { act, workflowId: target.workflowId, rule: decision.rule, reason: decision.reason },
    );
  }

  // ---- starting ----

  #startJob(namespace: string, start: WireStart, effect: Effect): StartJob {
    requireName('namespace', namespace);
    requireName('workflow id', start.workflowId);
    requireName('workflow type', start.type);
    requireName('task queue', start.queue);
    requireName('request id', effect.requestId);
    requirePayloads(start.input);
    const runId = this.#node.newRunId();
    return {
      ...start,
      kind: 'start',
      namespace,
      runId,
      firstRunId: runId,
      attempt: 1,
      randomSeed: runId,
      startedAt: this.#node.now(),
      identity: effect.identity,
      requestId: effect.requestId,
    };
  }

  async #start(params: Params<'start'>): Answer<'start'> {
    const job = this.#startJob(params.namespace, params.start, params);
    this.#node.room.require(payloadBytes(job.input));
    await this.#admit('start', { namespace: params.namespace, workflowId: job.workflowId }, job.type, params.identity);
    return this.#startAnd(job);
  }

  /** Starts, and waits until it is durable; `and` is put into the run, new or existing, in the same commit. */
  async #startAnd(
    job: StartJob,
    and?: (run: LiveRun) => Promise<unknown>,
  ): Promise<{ runId: string; started: boolean; other?: unknown }> {
    let other: Promise<unknown> | undefined;
    let settle: { resolve: () => void; reject: (error: PleachError) => void };
    const durable = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
    const release = this.#node.room.hold(payloadBytes(job.input));
    const started = await startRun(this.#node, job, {
      acknowledged: () => {
        release();
        settle.resolve();
      },
      refused: (error) => {
        release();
        settle.reject(error);
      },
      with: (run) => {
        other = and?.(run);
      },
    }).catch((error: unknown) => {
      release();
      throw error;
    });
    if (started.status !== 'started') release();
    switch (started.status) {
      case 'started':
        // Together: where the commit is refused, both are, and neither may go unheard.
        return { runId: started.run.id, started: true, other: (await Promise.all([other, durable]))[0] };
      case 'repeated':
        await started.durable;
        return { runId: started.runId, started: false };
      case 'existing':
        await whenDurable(findUndurable(started.run, ({ job: other }) => other.kind === 'start'));
        return { runId: started.run.id, started: false, other: await and?.(started.run) };
      case 'exists':
        throw new PleachError(
          'WORKFLOW_ALREADY_STARTED',
          started.row.status === 'RUNNING'
            ? `workflow "${job.workflowId}" is already running (run ${started.row.run}); use another id, signal or terminate it, or set workflowIdConflictPolicy`
            : `workflow "${job.workflowId}" was run before and closed as ${started.row.status}, and workflowIdReusePolicy ${job.idReuse} forbids another run`,
          { workflowId: job.workflowId, runId: started.row.run, status: started.row.status, workflowType: job.type },
        );
    }
  }

  // ---- signals ----

  async #signal(params: Params<'signal'>): Answer<'signal'> {
    requireName('signal name', params.name);
    this.#node.room.require(requirePayloads(params.input));
    const found = await this.#findAdmitted('signal', params.target, params.identity);
    if (!found.run) return this.#repeatOnClosed(found.row, params.requestId);
    const { run } = found;
    await deliverOnce(this.#node, run, signalJob(params));
    return { runId: run.id };
  }

  async #signalWithStart(params: Params<'signal-with-start'>): Answer<'signal-with-start'> {
    requireName('signal name', params.name);
    this.#node.room.require(requirePayloads(params.input));
    const open = this.#node.openRuns.get(`${params.namespace}\0${params.start.workflowId}`);
    const start = { ...params.start, idConflict: params.start.idConflict ?? 'USE_EXISTING' } as const;
    const job = this.#startJob(params.namespace, start, params);
    await this.#admit(
      open ? 'signal' : 'start',
      { namespace: params.namespace, workflowId: job.workflowId },
      job.type,
      params.identity,
    );
    const signal = signalJob({ ...params, requestId: `${params.requestId}/signal` });
    const { runId, started } = await this.#startAnd(job, (run) => deliverOnce(this.#node, run, signal));
    return { runId, started };
  }

  async #cancel(params: Params<'cancel'>): Answer<'cancel'> {
    const found = await this.#findAdmitted('cancel', params.target, params.identity);
    if (!found.run) return this.#repeatOnClosed(found.row, params.requestId);
    const { run } = found;
    if (!run.state.cancelRequested) {
      await deliverOnce(this.#node, run, {
        kind: 'cancel-requested',
        identity: params.identity,
        requestId: params.requestId,
        ...(params.reason ? { reason: params.reason } : {}),
      });
    }
    return { runId: run.id };
  }

  async #terminate(params: Params<'terminate'>): Answer<'terminate'> {
    const run = requireOpen(await this.#findAdmitted('terminate', params.target, params.identity));
    await new Promise<void>((resolve, reject) => {
      run.resultWaiters.push({ answer: () => resolve(), fail: reject });
      this.#node.activations.closeByFact(run, {
        kind: 'terminated',
        identity: params.identity,
        requestId: params.requestId,
        ...(params.reason ? { reason: params.reason } : {}),
        ...(params.details ? { details: params.details } : {}),
      });
    });
    return { runId: run.id };
  }

  /** An operator's act on an open run, or on one of its activities. */
  async #operate<A extends OperatorAct>(act: A, params: Params<A>): Promise<{ runId: string }> {
    requireAct(act, params);
    const found = await this.#findAdmitted(act, params.target, params.identity);
    if (!found.run) return this.#repeatOnClosed(found.row, params.requestId);
    await operate(this.#node, found.run, act, params);
    return { runId: found.run.id };
  }

  // ---- updates ----

  async #update(params: Params<'update'>, onForget: OnForget): Answer<'update'> {
    requireName('update name', params.name);
    requireName('update id', params.updateId);
    this.#node.room.require(requirePayloads(params.input));
    for (;;) {
      const found = await this.#find(params.target);
      if (!found.run) {
        const known = await this.#closedUpdate(found.row, params.updateId);
        if (known) return known;
        throw closedError({ workflowId: found.row.workflowId, id: found.row.run, state: { status: found.row.status } });
      }
      const earlier = await this.#earlierUpdate(found.run, params.updateId);
      if (earlier) return earlier;
      await this.#admit('update', params.target, found.run.row.type, params.identity);
      // Else it left memory while the rules took their time.
      if (!found.run.dropped) return this.#requestUpdate(found.run, params, onForget);
    }
  }

  async #updateWithStart(params: Params<'update-with-start'>, onForget: OnForget): Answer<'update-with-start'> {
    requireName('update name', params.name);
    requireName('update id', params.updateId);
    this.#node.room.require(requirePayloads(params.input));
    const job = this.#startJob(params.namespace, params.start, params);
    await this.#admit('start', { namespace: params.namespace, workflowId: job.workflowId }, job.type, params.identity);
    const { runId, started, other } = await this.#startAnd(job, (run) => this.#requestUpdate(run, params, onForget));
    if (other) return { ...(other as UpdateAnswer), started };
    // The same request again: the run and its update are there.
    const target = { namespace: params.namespace, workflowId: job.workflowId, runId };
    return {
      ...(await this.#pollUpdate({ target, updateId: params.updateId, waitFor: params.waitFor }, onForget)),
      started,
    };
  }

  /** An update that a run had before it went on in this one: its answer is there, and it is not made again. */
  async #earlierUpdate(run: LiveRun, updateId: string): Promise<UpdateAnswer | undefined> {
    if (run.state.updates.has(updateId) || !run.state.requestIds.has(`update:${updateId}`)) return undefined;
    for (let runId = run.state.start?.continuedFrom; runId !== undefined;) {
      const state = await this.#node.foldRun(runId as RunId);
      const update = state.updates.get(updateId);
      if (update?.outcome) return { stage: stageOf(update.phase), runId, outcome: update.outcome };
      if (update) throw closedError({ workflowId: run.workflowId, id: runId, state });
      runId = state.start?.continuedFrom;
    }
    return undefined;
  }

  #requestUpdate(
    run: LiveRun,
    params: {
      updateId: string;
      name: string;
      input: Params<'update'>['input'];
      headers?: Params<'update'>['headers'];
      identity: string;
      waitFor: UpdateStage;
    },
    onForget: OnForget,
  ): Promise<UpdateAnswer> {
    const answer = this.#awaitUpdate(run, params.updateId, params.waitFor, onForget);
    const isNew =
      !run.state.updates.has(params.updateId) &&
      ![...run.arrived, ...(run.activating?.arrivals ?? [])].some(
        ({ job }) => job.kind === 'update-requested' && job.updateId === params.updateId,
      );
    if (isNew) {
      if (run.state.updatesOpen >= LIMITS.updatesInFlightMax) {
        throw new PleachError(
          'LIMIT_EXCEEDED',
          `workflow "${run.workflowId}" has ${run.state.updatesOpen} updates under way, the most there may be`,
          {
            updatesInFlightMax: LIMITS.updatesInFlightMax,
          },
        );
      }
      const release = this.#node.room.hold(payloadBytes(params.input));
      this.#node.activations.arrive(run, {
        job: {
          kind: 'update-requested',
          updateId: params.updateId,
          name: params.name,
          input: params.input,
          identity: params.identity,
          ...(params.headers ? { headers: params.headers } : {}),
        },
        atMs: this.#node.clock.monotonicMs(),
        acknowledged: release,
        refused: (error) => {
          release();
          for (const waiter of run.updateWaiters.get(params.updateId) ?? []) waiter.fail(error);
          run.updateWaiters.delete(params.updateId);
        },
      });
    }
    return answer;
  }

  #awaitUpdate(run: LiveRun, updateId: string, stage: UpdateStage, onForget: OnForget): Promise<UpdateAnswer> {
    const update = run.state.updates.get(updateId);
    const RANK = { ADMITTED: 0, ACCEPTED: 1, COMPLETED: 2 };
    if (update && !run.committing && RANK[stageOf(update.phase)] >= RANK[stage]) {
      return Promise.resolve({
        stage: stageOf(update.phase),
        runId: run.id,
        ...(update.outcome ? { outcome: update.outcome } : {}),
      });
    }
    return new Promise((answer, fail) => {
      const waiter = { stage, answer, fail };
      const waiters = run.updateWaiters.get(updateId) ?? [];
      waiters.push(waiter);
      run.updateWaiters.set(updateId, waiters);
      onForget(() => {
        const left = (run.updateWaiters.get(updateId) ?? []).filter((other) => other !== waiter);
        if (left.length > 0) run.updateWaiters.set(updateId, left);
        else run.updateWaiters.delete(updateId);
      });
    });
  }

  async #pollUpdate(params: Params<'poll-update'>, onForget: OnForget): Answer<'poll-update'> {
    const found = await this.#find(params.target);
    if (!found.run) {
      const known = await this.#closedUpdate(found.row, params.updateId);
      if (known) return known;
      throw updateNotFound(params.target, params.updateId);
    }
    const { run } = found;
    const coming = [...run.arrived, ...(run.activating?.arrivals ?? [])].some(
      ({ job }) => job.kind === 'update-requested' && job.updateId === params.updateId,
    );
    if (!run.state.updates.has(params.updateId) && !coming) throw updateNotFound(params.target, params.updateId);
    return this.#awaitUpdate(run, params.updateId, params.waitFor, onForget);
  }

  async #closedUpdate(row: RunRow, updateId: string): Promise<UpdateAnswer | undefined> {
    const update = (await this.#node.foldRun(row.run)).updates.get(updateId);
    if (!update) return undefined;
    if (!update.outcome) throw closedError({ workflowId: row.workflowId, id: row.run, state: { status: row.status } });
    return { stage: stageOf(update.phase), runId: row.run, outcome: update.outcome };
  }

  // ---- reading ----

  async #query(params: Params<'query'>): Answer<'query'> {
    requireName('query name', params.name);
    const node = this.#node;
    const { name, input, headers } = params;
    const query = { id: String(node.clock.monotonicMs()) + name, name, input, ...(headers ? { headers } : {}) };
    const found = await this.#find(params.target);
    if (found.run) {
      if (found.run.state.taskFailure && found.run.taskAttempts > 0) {
        throw new PleachError(
          'QUERY_FAILED',
          `workflow "${found.run.workflowId}" is blocked, its task fails: ${found.run.state.taskFailure.failure.message}`,
          {
            workflowId: found.run.workflowId,
          },
        );
      }
      const { run } = found;
      return new Promise((answer, fail) => node.activations.ask(run, { query, answer, fail }));
    }
    const { row } = found;
    const cleanly = row.status === 'COMPLETED' || row.status === 'CONTINUED_AS_NEW';
    if (params.rejectWhen === 'NOT_OPEN' || (params.rejectWhen === 'NOT_COMPLETED_CLEANLY' && !cleanly)) {
      return { rejected: row.status as RunResult['status'] };
    }
    return node.closedQueries.ask(row, query);
  }

  async #result(params: Params<'result'>, onForget: OnForget): Answer<'result'> {
    const found = await this.#find(params.target);
    if (!found.run) {
      const state = await this.#node.foldRun(found.row.run);
      return this.#node.resultOf(found.row.run, state, await this.#successor(found.row));
    }
    const { run } = found;
    return new Promise((answer, fail) => {
      const waiter = { answer, fail };
      run.resultWaiters.push(waiter);
      onForget(() => {
        run.resultWaiters = run.resultWaiters.filter((other) => other !== waiter);
      });
    });
  }

  /** The run that went on for a closed one: the next of its chain. */
  async #successor(row: RunRow): Promise<string | undefined> {
    const [latest] = await this.#node.store.findRuns([{ namespace: row.namespace, workflowId: row.workflowId }]);
    if (!latest || latest.run === row.run || latest.firstRun !== row.firstRun) return undefined;
    // Walks back along the chain, which is short, to the run that came right after.
    for (let at: RunRow | undefined = latest; at;) {
      const start = (await this.#node.foldRun(at.run)).start;
      if (start?.continuedFrom === row.run) return at.run;
      if (!start?.continuedFrom) return undefined;
      [at] = await this.#node.store.findRuns([{ runId: start.continuedFrom }]);
    }
    return undefined;
  }

  async #describe(params: Params<'describe'>): Answer<'describe'> {
    const found = await this.#find(params.target);
    if (found.run) return describeRun(this.#node, found.run.row, found.run.state, found.run);
    return describeRun(this.#node, found.row, await this.#node.foldRun(found.row.run), undefined);
  }

  async #history(params: Params<'history'>): Answer<'history'> {
    const row = await this.#row(params.target);
    const fromSeq = Math.max(1, Math.floor(params.fromSeq) || 1);
    const { segments, next } = await loadPage(this.#node.store, row.run, fromSeq);
    return {
      runId: row.run,
      segments,
      closed: row.status !== 'RUNNING',
      ...(next === undefined ? {} : { next }),
    };
  }

  // ---- activities from elsewhere ----

  async #token(ref: ActivityRef): Promise<string> {
    if ('token' in ref) return ref.token;
    const run = await this.#open(ref.target);
    for (const activity of run.state.activities.values()) {
      if (activity.activityId === ref.activityId && activity.token !== undefined) return activity.token;
    }
    throw new PleachError(
      'ACTIVITY_NOT_FOUND',
      `workflow "${run.workflowId}" has no running activity "${ref.activityId}"`,
      {
        workflowId: run.workflowId,
        activityId: ref.activityId,
      },
    );
  }

  async #completeActivity(params: Params<'complete-activity'>): Answer<'complete-activity'> {
    const token = await this.#token(params.activity);
    const settled = Promise.withResolvers<void>();
    if ((await this.#node.attempts.done(token, params.outcome, settled.resolve)) === 'stale') throw staleToken();
    await settled.promise;
    return {};
  }

  async #heartbeatActivity(params: Params<'heartbeat-activity'>): Answer<'heartbeat-activity'> {
    const token = await this.#token(params.activity);
    if ((await this.#node.attempts.heartbeat(undefined, token, params.details)) === 'stale') throw staleToken();
    const [runId, seq] = token.split('/');
    const activity = this.#node.runs.get(runId as RunId)?.state.activities.get(Number(seq));
    return { cancelRequested: activity?.cancelRequested ?? false, paused: activity?.phase === 'paused' };
  }
}

function requireOpen(found: Found): LiveRun {
  if (found.run) return found.run;
  throw closedError({ workflowId: found.row.workflowId, id: found.row.run, state: { status: found.row.status } });
}

function signalJob(
  params: Effect & { name: string; input: Params<'signal'>['input']; headers?: Params<'signal'>['headers'] },
) {
  return {
    kind: 'signalled' as const,
    name: params.name,
    input: params.input,
    ...(params.headers ? { headers: params.headers } : {}),
    identity: params.identity,
    requestId: params.requestId,
  };
}

function requireRunId(target: RunTarget): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(target.runId ?? '')) return target.runId!;
  throw workflowNotFound(target);
}

function workflowNotFound(target: RunTarget): PleachError {
  return new PleachError(
    'WORKFLOW_NOT_FOUND',
    `there is no workflow "${target.workflowId}"${target.runId ? ` with run ${target.runId}` : ''} in namespace "${target.namespace}"`,
    { ...target },
  );
}

function updateNotFound(target: RunTarget, updateId: string): PleachError {
  return new PleachError('UPDATE_NOT_FOUND', `workflow "${target.workflowId}" knows no update "${updateId}"`, {
    workflowId: target.workflowId,
    updateId,
  });
}

function staleToken(): PleachError {
  return new PleachError(
    'TOKEN_STALE',
    'the attempt is no longer current: it was completed, timed out, was lost or superseded; nothing was changed',
    {},
  );
}
