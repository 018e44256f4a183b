/* oxlint-disable typescript/no-explicit-any -- this text runs in another realm, over modules whose types are elsewhere */
import type { BundleTable } from './bundle.ts';
import type { RealmClock } from './realm-globals.ts';

/** What the host lends beside what `installGlobals` takes: storage that survives awaits. */
export interface StorageMaker {
  (): { run<R>(store: unknown, work: () => R): R; getStore(): unknown };
}

/** What an activation tells an instance about itself. */
export interface BeginFields {
  time: number;
  historyLength: number;
  historyBytes: number;
  isReplaying: boolean;
  suggestContinue: boolean;
}

/** How the host moves instances. Texts are JSON. Nothing throws; what fails is told by `failure`. */
export interface Realm {
  clock: RealmClock;
  /** Puts a function of the realm over one of the host. */
  lend<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R;
  load(table: BundleTable): void;
  /** Makes an instance; false where its module cannot be evaluated, and `failure` says why. */
  create(runId: string, start: string, fields: string): boolean;
  /** Hands an instance jobs; `fields`, where there are any, begin an activation. */
  apply(runId: string, jobs: string, fields: string): void;
  /** After a drain: resolves conditions that hold; how many did. */
  unblock(runId: string): number;
  /** Ends a round: `{ commands, localActivities, closed, failure }`. */
  finish(runId: string): string;
  query(runId: string, query: string): string;
  /** Tells an instance what its history holds: patches, and rejected updates with their failures. */
  recall(runId: string, patches: string, rejections: string): void;
  enter(runId: string): void;
  leave(runId: string): void;
  failTask(runId: string, message: string, stack: string): void;
  has(runId: string): boolean;
  drop(runId: string): void;
  failure(): string;
  lastLines(runId: string): string;
}

/**
 * Runs workflow instances inside a realm. Like `installGlobals`, this function's text is evaluated there and names
 * nothing outside itself.
 */
export function makeRealm(
  storageOf: StorageMaker,
  hostLog: (level: string, message: string, fields: string) => void,
  failureTypes: string,
  sharesModules: boolean,
): Realm {
  const { parse, stringify } = JSON;
  const { defineProperty, getOwnPropertyDescriptor, create: createObject, keys } = Object;
  const real = globalThis as any;

  /**
   * A function of the host under a function of the realm. Where the stack ends in the host's part, the host's own error
   * would lead workflow code to the host's `Function`: it is told again in the realm's words.
   */
  const lend =
    <A extends unknown[], R>(work: (...args: A) => R): ((...args: A) => R) =>
    (...args) => {
      try {
        return work(...args);
      } catch (error) {
        const isForeign = Error.isError(error) && !((error as unknown) instanceof Error);
        throw isForeign ? new RangeError(String(error.message)) : error;
      }
    };
  const makeStorage: StorageMaker = lend(() => {
    const { run, getStore } = storageOf();
    return { run: lend(run) as typeof run, getStore: lend(getStore) };
  });
  const log = lend(hostLog);
  const nothing = new Map<string, any>();
  let table: BundleTable;
  let api: any;
  let lastFailure = '';
  const ownModules = new Map<string, any>();
  const sharedModules = new Map<string, any>();
  const instances = new Map<
    string,
    { activator: any; modules: Map<string, any>; global: any; swapped: [PropertyKey, any][] }
  >();
  let current: any;

  const current_ = (): any => {
    if (!current) throw new Error('this is there inside a workflow only');
    return current.activator;
  };

  const globalParent = createObject(null);

  /** Puts a name of the run's own under the bare name, until the run leaves the stack. */
  const swapIn = (instance: any, key: PropertyKey): void => {
    if (key === 'globalThis') return;
    if (!instance.swapped.some(([known]: [PropertyKey]) => known === key))
      instance.swapped.push([key, getOwnPropertyDescriptor(real, key)]);
    if (Object.hasOwn(instance.global, key))
      defineProperty(real, key, { value: instance.global[key], writable: false, configurable: true });
    else takeBack(instance.swapped.find(([known]: [PropertyKey]) => known === key));
  };
  const takeBack = ([key, descriptor]: [PropertyKey, any]): void => {
    if (descriptor) defineProperty(real, key, descriptor);
    else delete real[key];
  };

  /** What a run sees as its global object. Its changes are the run's own, under the bare name too. */
  const makeGlobal = (instance: any): any => {
    const global = createObject(globalParent);
    const proxy = new Proxy(global, {
      defineProperty(_, key, descriptor) {
        // `undefined`, `NaN` and `Infinity`, which no run can have otherwise.
        if (getOwnPropertyDescriptor(real, key)?.configurable === false) return false;
        if (!Reflect.defineProperty(global, key, descriptor)) return false;
        if (current === instance) swapIn(instance, key);
        return true;
      },
      deleteProperty(_, key) {
        if (!Reflect.deleteProperty(global, key)) return false;
        if (current === instance) swapIn(instance, key);
        return true;
      },
    });
    defineProperty(global, 'globalThis', { value: proxy, writable: true, configurable: true });
    return proxy;
  };

  const requireFrom = (id: string, instance: any): any => {
    const module = table.modules[id];
    if (!module) throw new Error(`there is no module ${id} in the bundle`);
    const modules: Map<string, any> = module.own ? ownModules : instance ? instance.modules : nothing;
    const loaded = modules.get(id);
    if (loaded) return loaded.exports;
    const record = { exports: {} as any };
    modules.set(id, record);
    try {
      module.run(
        record,
        record.exports,
        (specifier: string) => {
          const to = module.imports[specifier];
          if (to === undefined) throw new Error(`${specifier} is not in the bundle`);
          return requireFrom(to, instance);
        },
        module.own ? real : instance.global,
      );
    } catch (error) {
      modules.delete(id);
      throw error;
    }
    return record.exports;
  };

  /** Fields of a log line as JSON. A field that cannot be written is named, not thrown: a log line must not fail a run. */
  const tellable = (fields: Record<string, unknown>): string => {
    try {
      return stringify(fields);
    } catch {
      const told: Record<string, unknown> = {};
      for (const key of keys(fields)) {
        try {
          const value = fields[key];
          told[key] = stringify(value) === undefined ? String(value) : value;
        } catch {
          told[key] = '(cannot be written as JSON)';
        }
      }
      return stringify(told);
    }
  };

  const fail = (error: unknown): string => {
    try {
      const e = error as any;
      lastFailure = stringify({
        kind: 'application',
        type: String(e?.name ?? 'Error'),
        message: String(e?.message ?? e),
        stackTrace: String(e?.stack ?? ''),
      });
    } catch {
      lastFailure = '{"kind":"application","type":"Error","message":"the error could not be read"}';
    }
    return lastFailure;
  };

  return {
    lend,
    clock: {
      now: () => current_().now,
      random: () => current_().random.fraction(),
      fill: (view) => current_().random.fill(view),
      uuid4: () => current_().random.uuid4(),
      setTimeout: (callback, ms, ...args) => api.setWorkflowTimeout(callback, ms, ...args),
      clearTimeout: (handle) => api.clearWorkflowTimeout(handle),
      violation: (message) => new api.DeterminismViolationError(message),
      log: (level, message) => {
        if (current && !current.activator.isReplaying)
          log(
            level,
            message,
            stringify({ workflowId: current.activator.info.workflowId, runId: current.activator.info.runId }),
          );
      },
    },
    load(given) {
      table = given;
      api = requireFrom(table.runtime, undefined);
      api.setScopeStorage(makeStorage());
      api.setUpdateStorage(makeStorage());
      api.setStorageMaker(makeStorage);
      for (const key of Reflect.ownKeys(real)) {
        if (key === 'globalThis') continue;
        defineProperty(globalParent, key, {
          configurable: false,
          get: () => real[key],
          set(this: any, value) {
            defineProperty(this, key, { value, writable: true, configurable: true, enumerable: true });
          },
        });
      }
      // All runs' global objects stand on it.
      Object.preventExtensions(globalParent);
      for (const record of ownModules.values()) Object.freeze(record.exports);
    },
    create(runId, startText, fieldsText) {
      const instance = {
        activator: undefined as any,
        modules: sharesModules ? sharedModules : new Map(),
        global: undefined as any,
        swapped: [] as [PropertyKey, any][],
      };
      instance.global = makeGlobal(instance);
      const start = parse(startText);
      const fields = parse(fieldsText);
      let workflows: any;
      try {
        const interceptors: any[] = [];
        // The modules of a run are evaluated with its clock and its generator in place.
        const findWorkflow = (name: string): any => {
          workflows ??= requireFrom(table.workflows, instance);
          const found = Object.hasOwn(workflows, name) ? workflows[name] : undefined;
          if (typeof found === 'function') return withOptions(found, instance.activator);
          return typeof workflows.default === 'function'
            ? withOptions(workflows.default, instance.activator)
            : undefined;
        };
        instance.activator = new api.Activator({
          start,
          findWorkflow,
          workflowNames: () => keys(workflows ?? {}).filter((name) => typeof workflows[name] === 'function'),
          interceptors,
          historyLength: fields.historyLength,
          historyBytes: fields.historyBytes,
          time: fields.time,
          log: (level: string, message: string, extra: Record<string, unknown>) => log(level, message, tellable(extra)),
          failureTypes: parse(failureTypes),
          ...(table.converter === undefined
            ? {}
            : { converter: lazyConverter('payloadConverter', () => requireFrom(table.converter!, instance)) }),
          ...(table.failureConverter === undefined
            ? {}
            : {
                failureConverter: lazyConverter('failureConverter', () =>
                  requireFrom(table.failureConverter!, instance),
                ),
              }),
        });
        instances.set(runId, instance);
        current = instance;
        api.setActivator(instance.activator);
        workflows = requireFrom(table.workflows, instance);
        for (const id of table.interceptors) {
          const factory = requireFrom(id, instance).interceptors;
          if (typeof factory === 'function') interceptors.push(factory());
        }
        return true;
      } catch (error) {
        fail(error);
        instances.delete(runId);
        current = undefined;
        api.setActivator(undefined);
        return false;
      }
    },
    apply(runId, jobs, fields) {
      const { activator } = instances.get(runId)!;
      if (fields !== '') activator.begin(parse(fields));
      try {
        activator.apply(parse(jobs));
      } catch (error) {
        activator.failTask(error);
      }
    },
    unblock(runId) {
      return instances.get(runId)!.activator.unblockConditions();
    },
    finish(runId) {
      const { activator } = instances.get(runId)!;
      // An update that no handler took is rejected at the end of its activation: when no local activity is pending.
      if (activator.localActivities.size === 0) activator.rejectBufferedUpdates();
      const commands = activator.takeCommands();
      try {
        return stringify({
          commands,
          pendingLocal: [...activator.localActivities.values()].map((pending: any) => pending.command),
          closed: activator.closed,
          failure: activator.taskFailure,
        });
      } catch (error) {
        return `{"commands":[],"pendingLocal":[],"closed":false,"failure":{"cause":"CONVERTER_FAILED","failure":${fail(error)}}}`;
      }
    },
    query(runId, query) {
      try {
        return stringify(instances.get(runId)!.activator.query(parse(query)));
      } catch (error) {
        return `{"id":${stringify(parse(query).id)},"failure":${fail(error)}}`;
      }
    },
    recall(runId, patches, rejections) {
      const { activator } = instances.get(runId)!;
      for (const id of parse(patches)) activator.knownPatches.add(id);
      for (const [id, failure] of parse(rejections)) activator.knownRejections.set(id, failure);
    },
    enter(runId) {
      const instance = instances.get(runId);
      current = instance;
      api.setActivator(instance?.activator);
      if (!instance) return;
      for (const key of Reflect.ownKeys(instance.global)) swapIn(instance, key);
    },
    leave(runId) {
      const instance = instances.get(runId);
      for (const swapped of instance?.swapped.splice(0) ?? []) takeBack(swapped);
      current = undefined;
      api.setActivator(undefined);
    },
    failTask(runId, message, stack) {
      const error = new Error(message);
      error.stack = stack;
      instances.get(runId)?.activator.failTask(error);
    },
    has: (runId) => instances.has(runId),
    drop(runId) {
      try {
        instances.get(runId)?.activator.dispose();
      } catch (error) {
        // The instance goes all the same; its author hears of it.
        log('error', 'an interceptor failed to let go of a run', stringify({ runId, failure: parse(fail(error)) }));
      }
      instances.delete(runId);
    },
    failure: () => lastFailure,
    lastLines: (runId) => instances.get(runId)?.activator.info.workflowType ?? '',
  };

  function withOptions(workflow: any, activator: any): any {
    const options =
      typeof workflow.workflowDefinitionOptions === 'function'
        ? workflow.workflowDefinitionOptions()
        : workflow.workflowDefinitionOptions;
    const types = options?.failureExceptionTypes;
    if (types && activator)
      activator.failureTypes = [...activator.failureTypes, ...types.map((type: any) => type.name)];
    return workflow;
  }

  function lazyConverter(name: 'payloadConverter' | 'failureConverter', load: () => any): any {
    let converter: any;
    const get = (): any => {
      converter ??= load()[name];
      if (!converter) throw new TypeError(`the module of ${name}Path exports no ${name}`);
      return converter;
    };
    return name === 'payloadConverter'
      ? {
          toPayload: (value: unknown) => get().toPayload(value),
          fromPayload: (payload: unknown) => get().fromPayload(payload),
        }
      : {
          errorToFailure: (error: unknown, payloads: unknown) => get().errorToFailure(error, payloads),
          failureToError: (failure: unknown, payloads: unknown) => get().failureToError(failure, payloads),
        };
  }
}
