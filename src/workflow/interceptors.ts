/** What an interceptor calls to go on. */
// oxlint-disable-next-line typescript/no-explicit-any -- inputs differ by method; the method's own type says which
export type Next<I = any, R = any> = (input: I) => R;

// oxlint-disable-next-line typescript/no-explicit-any
type Method = (input: any, next: Next) => any;

/** Interceptors of what comes in to a workflow. */
export interface WorkflowInboundCallsInterceptor {
  execute?: Method;
  handleSignal?: Method;
  handleQuery?: Method;
  validateUpdate?: Method;
  handleUpdate?: Method;
}

/** Interceptors of what goes out of it. */
export interface WorkflowOutboundCallsInterceptor {
  scheduleActivity?: Method;
  scheduleLocalActivity?: Method;
  startTimer?: Method;
  startChildWorkflowExecution?: Method;
  signalWorkflow?: Method;
  continueAsNew?: Method;
  getLogAttributes?: Method;
  getMetricTags?: Method;
}

/** Interceptors of the machinery. */
export interface WorkflowInternalsInterceptor {
  activate?: Method;
  concludeActivation?: Method;
  dispose?: Method;
}

/** What an interceptor module gives for a run. */
export interface WorkflowInterceptors {
  inbound?: WorkflowInboundCallsInterceptor[];
  outbound?: WorkflowOutboundCallsInterceptor[];
  internals?: WorkflowInternalsInterceptor[];
}

/** What an interceptor module exports as `interceptors`. */
export type WorkflowInterceptorsFactory = () => WorkflowInterceptors;

/** Puts the interceptors of one method in front of what it does, the first outermost. */
export function compose<I, R>(
  all: readonly WorkflowInterceptors[],
  side: 'inbound' | 'outbound' | 'internals',
  method: string,
  last: (input: I) => R,
): (input: I) => R {
  let next: (input: I) => R = last;
  for (let i = all.length - 1; i >= 0; i--) {
    const list = (all[i]![side] ?? []) as Record<string, Method | undefined>[];
    for (let j = list.length - 1; j >= 0; j--) {
      const interceptor = list[j]!;
      const own = interceptor[method];
      if (!own) continue;
      const after = next;
      next = (input) => own.call(interceptor, input, after) as R;
    }
  }
  return next;
}
