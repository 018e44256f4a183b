import { defaultPayloadConverter, type WorkflowInterceptors } from '../../src/entry/workflow.ts';

const seen: Record<string, unknown> = {};
const internals: string[] = [];

/** The headers that the inbound interceptors of this run have seen, by method. */
export function headersSeen(): Record<string, unknown> {
  return seen;
}

interface WithHeaders {
  headers: Record<string, never>;
}

/** A header goes out with all that a workflow asks for, and what comes in is noted. */
export const interceptors = (): WorkflowInterceptors => {
  const noting = (method: string) => (input: WithHeaders, next: (input: WithHeaders) => unknown) => {
    seen[method] = Object.fromEntries(
      Object.entries(input.headers).map(([name, payload]) => [name, defaultPayloadConverter.fromPayload(payload)]),
    );
    return next(input);
  };
  const sending = (method: string) => (input: WithHeaders, next: (input: WithHeaders) => unknown) =>
    next({ ...input, headers: { ...input.headers, from: defaultPayloadConverter.toPayload(method) as never } });
  return {
    inbound: [{ execute: noting('execute'), handleSignal: noting('handleSignal'), handleQuery: noting('handleQuery') }],
    outbound: [
      {
        scheduleActivity: sending('scheduleActivity'),
        scheduleLocalActivity: sending('scheduleLocalActivity'),
        // It awaits what it goes on to, as interceptors in the field do.
        startChildWorkflowExecution: async (input: WithHeaders, next) => {
          const [started, result] = (await sending('startChildWorkflowExecution')(input, next as never)) as [
            unknown,
            unknown,
          ];
          return [started, result];
        },
        signalWorkflow: sending('signalWorkflow'),
        continueAsNew: sending('continueAsNew'),
        getLogAttributes: (input, next) => next({ ...input, team: 'red' }) as object,
        getMetricTags: (input, next) => next({ ...input, team: 'red' }) as object,
      },
    ],
    internals: [
      {
        activate: (input, next) => {
          internals.push('activate');
          return next(input) as unknown;
        },
        concludeActivation: (input, next) => {
          internals.push('conclude');
          return next(input) as unknown;
        },
      },
    ],
  };
};

/** What the interceptors of the machinery have seen of this run. */
export function internalsSeen(): readonly string[] {
  return [...internals];
}
