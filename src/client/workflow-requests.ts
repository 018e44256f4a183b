import {
  codeWire,
  fromWire,
  type Headers,
  TimeoutFailure,
  toWireList,
  type WireFailure,
  type WireOutcome,
  type WirePayload,
  type WireStart,
} from '../common/index.ts';
import {
  eventsOf,
  type RunDescription,
  type RunTarget,
  type UpdateAnswer,
  type UpdateStage,
} from '../contract/index.ts';
import { PleachError } from '../core/index.ts';
import type { BaseClient } from './base-client.ts';
import {
  QueryNotRegisteredError,
  QueryRejectedError,
  serviceError,
  translateError,
  WorkflowContinuedAsNewError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from './errors.ts';
import type { WorkflowHistory } from './handles.ts';
import type {
  WorkflowCancelInput,
  WorkflowDescribeInput,
  WorkflowExecution,
  WorkflowQueryInput,
  WorkflowSignalInput,
  WorkflowSignalWithStartInput,
  WorkflowStartInput,
  WorkflowStartOutput,
  WorkflowStartUpdateInput,
  WorkflowStartUpdateOutput,
  WorkflowStartUpdateWithStartInput,
  WorkflowStartUpdateWithStartOutput,
  WorkflowTerminateInput,
} from './interceptors.ts';
import { type CompiledWorkflowOptions, compileStart, headersToWire, optional } from './start-options.ts';

/** What a workflow client does once its interceptors have had their say: one request to the engine for each method. */
export class WorkflowRequests {
  readonly #client: BaseClient;

  constructor(client: BaseClient) {
    this.#client = client;
  }

  async start({ workflowType, options, headers }: WorkflowStartInput): Promise<WorkflowStartOutput> {
    const start = await this.#start(workflowType, options, headers);
    const params = { namespace: this.#client.namespace, start, ...this.#client.effect() };
    const { runId } = await this.#ask(start, () => this.#client.request('start', params));
    return { runId, eagerlyStarted: false };
  }

  async signalWithStart(input: WorkflowSignalWithStartInput): Promise<string> {
    const start = await this.#start(input.workflowType, input.options, input.headers);
    const params = {
      namespace: this.#client.namespace,
      start,
      name: input.signalName,
      input: await this.#input(input.signalArgs),
      ...optional('headers', headersToWire(input.headers)),
      ...this.#client.effect(),
    };
    const { runId } = await this.#ask(start, () => this.#client.request('signal-with-start', params));
    return runId;
  }

  async signal(input: WorkflowSignalInput): Promise<void> {
    const params = {
      target: this.target(input.workflowExecution),
      name: input.signalName,
      input: await this.#input(input.args),
      ...optional('headers', headersToWire(input.headers)),
      ...this.#client.effect(),
    };
    await this.#ask(input.workflowExecution, () => this.#client.request('signal', params));
  }

  async query(input: WorkflowQueryInput): Promise<unknown> {
    const { queryRejectCondition: condition } = input;
    const params = {
      target: this.target(input.workflowExecution),
      name: input.queryType,
      input: await this.#input(input.args),
      ...optional('headers', headersToWire(input.headers)),
      ...(condition === undefined || condition === 'NONE' ? {} : { rejectWhen: condition }),
    };
    const answer = await this.#ask(input.workflowExecution, () => this.#client.request('query', params));
    if ('rejected' in answer) throw new QueryRejectedError(answer.rejected);
    if ('failure' in answer) {
      // The field tells a query that failed and one that nobody answers apart by the message alone.
      const error = this.#errorOf(await codeWire(answer.failure, this.#client.converter.payloadCodecs, 'decode'));
      const { code = '' } = answer.failure.kind === 'application' ? answer.failure : {};
      const pleachCode = code === 'QUERY_NOT_REGISTERED' ? code : 'QUERY_FAILED';
      throw Object.assign(new QueryNotRegisteredError(error.message, undefined, pleachCode), { cause: error });
    }
    return this.#decoded(answer.value);
  }

  /** Sends an update and waits until it has come so far. */
  async startUpdate(input: WorkflowStartUpdateInput, waitFor: UpdateStage): Promise<WorkflowStartUpdateOutput> {
    const updateId = input.options.updateId ?? this.#client.connection.caller.newRequestId();
    const params = {
      target: this.target(input.workflowExecution, input.firstExecutionRunId),
      updateId,
      name: input.updateName,
      input: await this.#input(input.args),
      ...optional('headers', headersToWire(input.headers)),
      waitFor,
      ...this.#client.effect(),
    };
    const answer = await this.#askUpdate(input.workflowExecution, () => this.#client.request('update', params, true));
    return { updateId, workflowRunId: answer.runId, ...optional('outcome', answer.outcome) };
  }

  /** Starts a run where none is open, and sends it an update. */
  async startUpdateWithStart(
    input: WorkflowStartUpdateWithStartInput,
    waitFor: UpdateStage,
  ): Promise<WorkflowStartUpdateWithStartOutput> {
    const start = await this.#start(input.workflowType, input.workflowStartOptions, input.workflowStartHeaders);
    const updateId = input.updateOptions.updateId ?? this.#client.connection.caller.newRequestId();
    const params = {
      namespace: this.#client.namespace,
      start,
      updateId,
      name: input.updateName,
      input: await this.#input(input.updateArgs),
      ...optional('headers', headersToWire(input.updateHeaders)),
      waitFor,
      ...this.#client.effect(),
    };
    const answer = await this.#askUpdate(start, () => this.#client.request('update-with-start', params, true));
    return {
      workflowExecution: { workflowId: start.workflowId, runId: answer.runId },
      updateId,
      ...optional('updateOutcome', answer.outcome),
    };
  }

  /** Waits for the end of an update. @throws WorkflowUpdateFailedError · WorkflowUpdateRPCTimeoutOrCancelledError */
  async updateResult<Ret>(
    execution: WorkflowExecution,
    updateId: string,
    known: WireOutcome | undefined,
  ): Promise<Ret> {
    let outcome = known;
    while (!outcome) {
      const params = { target: this.target(execution), updateId, waitFor: 'COMPLETED' as const };
      ({ outcome } = await this.#askUpdate(execution, () => this.#client.request('poll-update', params, true)));
    }
    const decoded = await codeWire(outcome, this.#client.converter.payloadCodecs, 'decode');
    if (decoded.status === 'completed') return fromWire<Ret>(this.#client.converter.payloadConverter, decoded.value);
    throw new WorkflowUpdateFailedError('Workflow Update failed', this.#errorOf(decoded.failure));
  }

  async cancel({ workflowExecution, firstExecutionRunId }: WorkflowCancelInput): Promise<void> {
    const params = { target: this.target(workflowExecution, firstExecutionRunId), ...this.#client.effect() };
    await this.#ask(workflowExecution, () => this.#client.request('cancel', params));
  }

  async terminate(input: WorkflowTerminateInput): Promise<void> {
    const { workflowExecution, firstExecutionRunId, reason, details } = input;
    const params = {
      target: this.target(workflowExecution, firstExecutionRunId),
      ...optional('reason', reason),
      ...(details ? { details: await this.#input(details) } : {}),
      ...this.#client.effect(),
    };
    await this.#ask(workflowExecution, () => this.#client.request('terminate', params));
  }

  async pause(execution: WorkflowExecution, isPause: boolean, reason: string | undefined): Promise<void> {
    const params = { target: this.target(execution), ...optional('reason', reason), ...this.#client.effect() };
    await this.#ask(execution, () => this.#client.request(isPause ? 'pause' : 'resume', params));
  }

  async describe({ workflowExecution }: WorkflowDescribeInput): Promise<RunDescription> {
    const params = { target: this.target(workflowExecution) };
    const description = await this.#ask(workflowExecution, () => this.#client.request('describe', params));
    return codeWire(description, this.#client.converter.payloadCodecs, 'decode');
  }

  async history(execution: WorkflowExecution): Promise<WorkflowHistory> {
    const segments = [];
    let { runId = '' } = execution;
    for (let next: number | undefined = 1; next !== undefined;) {
      const fromSeq: number = next;
      // One run from page to page, whichever becomes the latest meanwhile.
      const target = this.target({ ...execution, ...(runId ? { runId } : {}) });
      const page = await this.#ask(execution, () => this.#client.request('history', { target, fromSeq }));
      segments.push(...page.segments);
      ({ runId, next } = { next: undefined, ...page });
    }
    return { workflowId: execution.workflowId, runId, ...eventsOf(segments) };
  }

  /** Waits for the end of a run, and of those that go on for it. @throws WorkflowFailedError · WorkflowContinuedAsNewError */
  async awaitResult<Ret>(execution: WorkflowExecution, followRuns: boolean): Promise<Ret> {
    let target = this.target(execution);
    for (;;) {
      const params = { target };
      const ended = await this.#ask(execution, () => this.#client.request('result', params, true));
      if (ended.nextRunId !== undefined && followRuns) {
        target = this.target({ workflowId: execution.workflowId, runId: ended.nextRunId });
        continue;
      }
      if (ended.status === 'COMPLETED') return this.#decoded<Ret>(ended.value);
      if (ended.status === 'CONTINUED_AS_NEW')
        throw new WorkflowContinuedAsNewError('Workflow execution continued as new', ended.nextRunId ?? '');
      const failure = ended.failure && (await codeWire(ended.failure, this.#client.converter.payloadCodecs, 'decode'));
      const cause = failure && this.#errorOf(failure);
      switch (ended.status) {
        case 'CANCELLED':
          throw new WorkflowFailedError('Workflow execution cancelled', cause, 'NON_RETRYABLE_FAILURE');
        case 'TERMINATED':
          throw new WorkflowFailedError('Workflow execution terminated', cause, 'NON_RETRYABLE_FAILURE');
        case 'TIMED_OUT': {
          const timedOut = cause ?? new TimeoutFailure('Workflow execution timed out', undefined, 'START_TO_CLOSE');
          throw new WorkflowFailedError('Workflow execution timed out', timedOut, 'TIMEOUT');
        }
        case 'FAILED':
          throw new WorkflowFailedError('Workflow execution failed', cause, 'RETRY_POLICY_NOT_SET');
      }
    }
  }

  /** A run as requests name it. */
  target({ workflowId, runId }: WorkflowExecution, firstRunId?: string): RunTarget {
    return {
      namespace: this.#client.namespace,
      workflowId,
      ...optional('runId', runId),
      ...optional('firstRunId', firstRunId),
    };
  }

  async #start(workflowType: string, options: CompiledWorkflowOptions, headers: Headers): Promise<WireStart> {
    return codeWire(
      compileStart(workflowType, options, headers, this.#client.converter.payloadConverter),
      this.#client.converter.payloadCodecs,
      'encode',
    );
  }

  async #input(args: readonly unknown[]): Promise<WirePayload[]> {
    const { input } = await codeWire(
      { input: toWireList(this.#client.converter.payloadConverter, args) },
      this.#client.converter.payloadCodecs,
      'encode',
    );
    return input;
  }

  async #decoded<T>(value: WirePayload | undefined): Promise<T> {
    const { payloadConverter, payloadCodecs } = this.#client.converter;
    return fromWire<T>(payloadConverter, (await codeWire({ value }, payloadCodecs, 'decode')).value);
  }

  #errorOf(failure: WireFailure): Error {
    const { failureConverter, payloadConverter } = this.#client.converter;
    return failureConverter.failureToError(failure, payloadConverter);
  }

  async #ask<T>(about: { workflowId: string; runId?: string; type?: string }, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translateError(error, about);
    }
  }

  async #askUpdate<A extends UpdateAnswer>(
    about: { workflowId: string; type?: string },
    work: () => Promise<A>,
  ): Promise<A> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PleachError && (error.code === 'DEADLINE_EXCEEDED' || error.code === 'CALL_ABANDONED')) {
        const what = error.code === 'DEADLINE_EXCEEDED' ? 'took too long' : 'was given up';
        throw new WorkflowUpdateRPCTimeoutOrCancelledError(`waiting for the update ${what}`, {
          cause: serviceError(error),
        });
      }
      throw translateError(error, about);
    }
  }
}
