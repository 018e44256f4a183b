import * as activity from '../../src/entry/activity.ts';
import * as client from '../../src/entry/client.ts';
import * as common from '../../src/entry/common.ts';
import * as testing from '../../src/entry/testing.ts';
import * as worker from '../../src/entry/worker.ts';
import * as workflow from '../../src/entry/workflow.ts';

/** The subpaths; what several export is counted to the first. */
const subpaths = { common, workflow, activity, client, worker, testing };
/** Node's own, handed through. */
const NOT_OURS = new Set<unknown>([activity.asyncLocalStorage]);

/** Constructors that the types keep to the class itself: `connect`, `create`, `instance` and their like make these. */
const PRIVATE = new Set(['Connection', 'NativeConnection', 'Worker', 'Runtime', 'TestWorkflowEnvironment']);

/**
 * Everything public that can be called: functions, constructors, static and instance methods of classes, and functions in
 * exported objects. Read from the modules, so that none can be forgotten.
 * @returns names such as `client.WorkflowClient.start`, `common.new ValueError`
 */
export function publicSurface(): string[] {
  const names: string[] = [];
  const seen = new Set<unknown>();
  for (const [subpath, exports] of Object.entries(subpaths)) {
    for (const [name, value] of Object.entries(exports) as [string, unknown][]) {
      if (seen.has(value) || NOT_OURS.has(value)) continue;
      seen.add(value);
      if (typeof value === 'function') names.push(...callablesOf(value, name).map((one) => `${subpath}.${one}`));
      else if (typeof value === 'object' && value !== null)
        names.push(...methodsOf(value).map((method) => `${subpath}.${name}.${method}`));
    }
  }
  return names.toSorted();
}

function callablesOf(value: object, name: string): string[] {
  if (!/^class\b/.test(Function.prototype.toString.call(value))) return [name];
  const { prototype } = value as { prototype: object };
  return [
    ...(PRIVATE.has(name) ? [] : [`new ${name}`]),
    ...methodsOf(value).map((method) => `${name}.${method}`),
    ...methodsOf(prototype).map((method) => `${name}#${method}`),
  ];
}

function methodsOf(value: object): string[] {
  const own = Object.entries(Object.getOwnPropertyDescriptors(value));
  // Methods of an instance whose class is public already are that class's.
  return own
    .filter(([method, { value: held }]) => typeof held === 'function' && method !== 'constructor')
    .map(([method]) => method);
}
