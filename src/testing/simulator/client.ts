import type { FromKernel, Requests, RequestName, ToKernel } from '../../contract/index.ts';
import type { KernelNode, Peer } from '../../kernel/index.ts';
import type { Checker } from './checker.ts';
import { drawProgram } from './program.ts';
import type { Scheduler, SimProcess } from './scheduler.ts';
import type { SimState } from './workflows.ts';

export const NAMESPACE = 'default';
export const QUEUE = 'sim';

/** The node that serves now, as its clients reach it. */
export interface Live {
  process: SimProcess;
  node: KernelNode;
  peer: Peer;
}

/** What clients see of their world. */
export interface ClientWorld {
  readonly scheduler: Scheduler;
  readonly checker: Checker;
  readonly live: Live | undefined;
  readonly isHealed: boolean;
  /** Whether a request may be answered by another node than the one that takes it. */
  readonly isShared: boolean;
}

type Response = Extract<FromKernel, { kind: 'response' }>;

const FINAL: ReadonlySet<string> = new Set([
  'WORKFLOW_CLOSED',
  'WORKFLOW_NOT_FOUND',
  'INVALID_ARGUMENT',
  'UPDATE_NOT_FOUND',
  'ACTIVITY_NOT_FOUND',
  'ACTIVITY_AWAITS_ADMISSION',
  'WORKFLOW_ALREADY_STARTED',
]);

/** Requests that a node refuses while too much waits. */
const REFUSABLE: ReadonlySet<RequestName> = new Set<RequestName>(['start', 'signal', 'update', 'signal-with-start']);

/** The clients of a simulated world: each lives through the story of a workflow, whatever becomes of the nodes. */
export class SimClients {
  readonly #world: ClientWorld;
  #requests = 0;
  /** What is asked and not answered, for whoever wants to know why a world does not end. */
  readonly waiting = new Set<string>();
  readonly #responses = new Map<number, (message: Response) => void>();

  constructor(world: ClientWorld) {
    this.#world = world;
  }

  /** A node answers; whether anyone still waits for it. */
  respond(message: Response): void {
    const { scheduler, checker, isHealed } = this.#world;
    const respond = this.#responses.get(message.id);
    if (!respond) return;
    if (!isHealed && scheduler.chance(0.05)) {
      checker.fault('response-lost');
      scheduler.note(`the answer to request ${message.id} is lost`);
      return;
    }
    scheduler.after(scheduler.between(0, 3), undefined, () => respond(message));
  }

  /** Asks until it is answered, always with the same ids: what a client does that must not lose or double anything. */
  async #ask<N extends RequestName>(
    method: N,
    params: Requests[N]['params'],
  ): Promise<Requests[N]['answer'] | { refused: string }> {
    const { scheduler, checker } = this.#world;
    const asking = `${method} ${JSON.stringify(params)}`;
    this.waiting.add(asking);
    for (;;) {
      const { live } = this.#world;
      if (live) {
        const answer = await this.#once(live, method, params);
        if (answer && 'answer' in answer) {
          this.waiting.delete(asking);
          if ('requestId' in params && (method === 'start' || method === 'signal' || method === 'signal-with-start'))
            checker.acknowledged(params.requestId);
          if (method === 'result') checker.concluded((answer.answer as Requests['result']['answer']).runId);
          return answer.answer as Requests[N]['answer'];
        }
        if (answer && 'error' in answer && FINAL.has(answer.error.code)) {
          this.waiting.delete(asking);
          return { refused: answer.error.code };
        }
        if (answer) checker.fault(`answered-${'error' in answer ? answer.error.code : ''}`);
      }
      await scheduler.delay(scheduler.between(50, 300), undefined);
    }
  }

  #once<N extends RequestName>(live: Live, method: N, params: Requests[N]['params']): Promise<Response | undefined> {
    const { scheduler, checker, isHealed } = this.#world;
    const id = ++this.#requests;
    return new Promise((resolve) => {
      let isFull = false;
      const timer = scheduler.after(method === 'result' ? 4_000 : 1_500, undefined, () => {
        this.#responses.delete(id);
        resolve(undefined);
      });
      this.#responses.set(id, (message) => {
        timer.clear();
        this.#responses.delete(id);
        if (isFull && 'answer' in message && !this.#world.isShared)
          checker.fail('I9', `${method} was taken in by a node on which too much waited`);
        const isRefused = 'error' in message && message.error.code === 'RESOURCE_EXHAUSTED';
        if (isRefused && !isFull && !this.#world.isShared)
          checker.fail('I9', `${method} was refused after it had been let in`);
        resolve(message);
      });
      const message = { kind: 'request', id, method, params } as Extract<ToKernel, { kind: 'request' }>;
      if (!isHealed && scheduler.chance(0.05)) {
        checker.fault('request-lost');
        scheduler.note(`request ${id} is lost`);
        return;
      }
      scheduler.after(scheduler.between(0, 3), live.process, () => {
        const { room, waitingJobsMax } = live.node;
        isFull = REFUSABLE.has(method) && room.waitingJobs >= waitingJobsMax;
        live.peer.receive(message);
      });
      if (!isHealed && method !== 'result' && scheduler.chance(0.1)) {
        checker.fault('request-doubled');
        scheduler.after(scheduler.between(0, 40), live.process, () => live.peer.receive({ ...message, id: -id }));
      }
    });
  }

  /** One workflow: started, signalled, updated, perhaps cancelled, and asked for its result. */
  async story(n: number): Promise<void> {
    const { scheduler, checker } = this.#world;
    await scheduler.delay(scheduler.between(0, 3_000), undefined);
    const workflowId = `wf-${n}`;
    const identity = 'client';
    const signals = scheduler.between(0, 4);
    const updates = scheduler.between(0, 2);
    const program = drawProgram(scheduler, signals, updates, n + 3);
    const state: SimState = { program, signals: [], updates: [], log: [], told: 0 };
    const target = { namespace: NAMESPACE, workflowId };
    const fate = scheduler.chance(0.15) ? scheduler.pick(['terminated', 'timed out'] as const) : undefined;
    const start = {
      workflowId,
      type: 'simulated',
      queue: QUEUE,
      input: [JSON.stringify(state)],
      ...(n % 2 === 0 ? { searchAttributes: { Origin: '["client"]' } } : {}),
      ...(fate === 'timed out' ? { runTimeoutMs: scheduler.between(300, 4_000) } : {}),
    };
    const sent: string[] = [];
    const common = { namespace: NAMESPACE, start, requestId: `start-${n}`, identity };
    if (signals > 0 && scheduler.chance(0.25)) {
      await this.#ask('signal-with-start', { ...common, name: 'poke', input: [JSON.stringify(`s${sent.length}`)] });
      checker.acknowledged(`start-${n}/signal`);
      sent.push(`s${sent.length}`);
    } else await this.#ask('start', common);
    const operated = [
      ...(scheduler.chance(0.15) ? [this.#pauseAWhile(n, target)] : []),
      ...(scheduler.chance(0.3) ? [this.#operateActivities(n, target)] : []),
    ];
    for (let i = sent.length; i < signals; i++) {
      const text = `s${i}`;
      const answer = await this.#ask('signal', {
        target,
        name: 'poke',
        input: [JSON.stringify(text)],
        requestId: i === 0 ? `start-${n}/signal` : `signal-${n}-${i}`,
        identity,
      });
      if (!('refused' in answer)) sent.push(text);
      if (scheduler.chance(0.3)) await this.#look(n, target);
      await scheduler.delay(scheduler.between(0, 400), undefined);
    }
    if (fate === 'terminated') await this.#ask('terminate', { target, requestId: `terminate-${n}`, identity });
    const revised: string[] = [];
    for (let i = 0; i < updates; i++) {
      const text = scheduler.chance(0.2) ? `bad${i}` : `u${i}`;
      for (const word of text.startsWith('bad') ? [text, `u${i}`] : [text]) {
        const answer = await this.#ask('update', {
          target,
          updateId: `update-${n}-${word}`,
          name: 'revise',
          input: [JSON.stringify(word)],
          waitFor: 'COMPLETED',
          requestId: `update-${n}-${word}`,
          identity,
        });
        if ('refused' in answer || answer.outcome?.status !== 'completed') continue;
        checker.acknowledged(`updated/update-${n}-${word}`);
        revised.push(word);
      }
    }
    const isCancelled = scheduler.chance(0.2);
    if (isCancelled) await this.#ask('cancel', { target, requestId: `cancel-${n}`, identity });
    let result = await this.#ask('result', { target });
    while (!('refused' in result) && result.nextRunId !== undefined) {
      result = await this.#ask('result', { target: { ...target, runId: result.nextRunId } });
    }
    await Promise.all(operated);
    const isFated = !('refused' in result) && result.status === (fate === 'terminated' ? 'TERMINATED' : 'TIMED_OUT');
    if (fate && isFated) return;
    if ('refused' in result || result.status !== 'COMPLETED') {
      checker.fail(
        'I10',
        `${workflowId} ended as ${'refused' in result ? result.refused : `${result.status} ${JSON.stringify(result.failure)}`}`,
      );
      return;
    }
    const end = JSON.parse(result.value as string) as SimState;
    const own = end.signals.filter((text) => /^s\d+$/.test(text));
    if (own.join() !== sent.join()) {
      const isTwice = new Set(own).size < own.length;
      checker.fail(isTwice ? 'I14' : 'I2', `${workflowId} was sent [${sent.join()}] and has [${own.join()}]`);
    }
    const missing = revised.filter((word) => !end.updates.includes(word));
    if (missing.length > 0 || new Set(end.updates).size !== end.updates.length) {
      checker.fail('I14', `${workflowId} was updated [${revised.join()}] and has [${end.updates.join()}]`);
    }
    this.#checkTold(workflowId, end.signals);
    for (const line of end.log) if (line.startsWith('run ')) checker.fail('I13', `in ${workflowId}, ${line}`);
  }

  /** An operator stops a run, and lets it go on. */
  async #pauseAWhile(n: number, target: { namespace: string; workflowId: string }): Promise<void> {
    const { scheduler } = this.#world;
    await scheduler.delay(scheduler.between(0, 1_000), undefined);
    await this.#ask('pause', { target, requestId: `pause-${n}`, identity: 'operator' });
    await scheduler.delay(scheduler.between(100, 2_000), undefined);
    await this.#ask('resume', { target, requestId: `resume-${n}`, identity: 'operator' });
  }

  /** An operator pauses activities that are open for a while, and edits their options. */
  async #operateActivities(n: number, target: { namespace: string; workflowId: string }): Promise<void> {
    const { scheduler, checker } = this.#world;
    const times = scheduler.between(1, 3);
    for (let i = 0; i < times; i++) {
      await scheduler.delay(scheduler.between(0, 800), undefined);
      const described = await this.#ask('describe', { target });
      if ('refused' in described || described.activities.length === 0) continue;
      const { activityId } = scheduler.pick(described.activities);
      // Of this run: in the next one the same id is another activity.
      const one = { target: { ...target, runId: described.runId }, activityId, identity: 'operator' };
      if (scheduler.chance(0.5)) {
        const retry = {
          initialIntervalMs: scheduler.pick([10, 200]),
          maximumIntervalMs: 500,
          // What a run does after it is cancelled must come to an end of its own.
          maximumAttempts: described.cancelRequested ? 50 : scheduler.pick([1, 2, 50]),
        };
        const requestId = `edit-${n}-${i}`;
        const answer = await this.#ask('update-activity-options', { ...one, options: { retry }, requestId });
        if (!('refused' in answer)) checker.acknowledged(requestId);
        continue;
      }
      const requestId = `pause-${n}-${i}`;
      await this.#ask('pause-activity', { ...one, requestId });
      // One that was refused while a decision was awaited may have a double on its way that is not.
      await scheduler.delay(scheduler.between(100, 700), undefined);
      await this.#ask('unpause-activity', { ...one, requestId: `unpause-${n}-${i}` });
    }
  }

  /** Asks what a run has heard: only what is durable may be told. */
  async #look(n: number, target: { namespace: string; workflowId: string }): Promise<void> {
    const { checker, live } = this.#world;
    if (!live) return;
    const answer = await this.#once(live, 'query', { target, name: 'heard', input: [] });
    if (!answer || !('answer' in answer)) return;
    const { value } = answer.answer as { value?: unknown };
    if (typeof value !== 'string') return;
    for (const text of JSON.parse(value) as string[]) {
      const requestId = text === 's0' ? `start-${n}/signal` : `signal-${n}-${text.slice(1)}`;
      if (/^s\d+$/.test(text) && !checker.durable.has(requestId))
        checker.fail('I12', `${target.workflowId} was seen to have heard ${text} before it was durable`);
    }
  }

  /** What others told it came once, and in the order in which each of them told it. */
  #checkTold(workflowId: string, signals: readonly string[]): void {
    const last = new Map<string, number>();
    for (const text of signals) {
      const [kind, sender = '', number = ''] = text.split('/');
      if (kind !== 't') continue;
      const before = last.get(sender) ?? 0;
      if (Number(number) <= before)
        this.#world.checker.fail('I11', `${workflowId} heard number ${number} of ${sender} after ${before}`);
      last.set(sender, Number(number));
    }
  }
}
