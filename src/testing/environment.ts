import { Client, type ClientOptions, Connection, WorkflowClient, type WorkflowClientOptions } from '../client/index.ts';
import { type Duration, msToNumber, requireObject, type Workflow, type WorkflowResultType } from '../common/index.ts';
import { registerAddressOpener } from '../contract/index.ts';
import { systemClock } from '../core/index.ts';
import { MemoryEngine } from '../engine/index.ts';
import { NativeConnection } from '../worker/index.ts';
import { SkippingClock } from './skipping-clock.ts';

/** What an environment may be made with. */
export interface TestWorkflowEnvironmentOptions {
  /** Options of its client. */
  client?: Partial<Omit<ClientOptions, 'connection'>>;
}

let environments = 0;

/** So long a lease that no skip outlasts it: a test's engine has no rival. */
const LEASE_TTL_MS = 1e14;

/**
 * An engine in memory for tests, with a client and a connection for workers. With time skipping, time jumps to the next
 * timer while a result, or `env.sleep`, is awaited and nothing else is under way; while an activity runs it does not.
 *
 * ```ts
 * const env = await TestWorkflowEnvironment.createTimeSkipping();
 * const worker = await Worker.create({ connection: env.nativeConnection, taskQueue: 'test', workflowsPath, activities });
 * await worker.runUntil(env.client.workflow.execute(waitsAMonth, { workflowId: 'w', taskQueue: 'test' }));
 * await env.teardown();
 * ```
 */
export class TestWorkflowEnvironment {
  readonly client: Client;
  readonly connection: Connection;
  readonly nativeConnection: NativeConnection;
  readonly namespace: string;
  /** The engine of its own, where it has one. */
  readonly #engine: MemoryEngine | undefined;
  readonly #clock: SkippingClock | undefined;

  private constructor(
    engine: MemoryEngine | undefined,
    clock: SkippingClock | undefined,
    connection: Connection,
    nativeConnection: NativeConnection,
    options: TestWorkflowEnvironmentOptions,
  ) {
    this.#engine = engine;
    this.#clock = clock;
    this.connection = connection;
    this.nativeConnection = nativeConnection;
    this.namespace = options.client?.namespace ?? 'default';
    this.client = new Client({ ...options.client, connection });
    const { interceptors, workflow, ...base } = options.client ?? {};
    const workflowOptions = {
      ...base,
      ...workflow,
      ...(interceptors?.workflow ? { interceptors: interceptors.workflow } : {}),
      connection,
    };
    Object.defineProperty(this.client, 'workflow', {
      value: new SkippingWorkflowClient(workflowOptions, (work) => this.#skipping(work)),
      enumerable: true,
    });
  }

  /** An environment whose time jumps. */
  static createTimeSkipping(options: TestWorkflowEnvironmentOptions = {}): Promise<TestWorkflowEnvironment> {
    return TestWorkflowEnvironment.#create(new SkippingClock(), options);
  }

  /**
   * An environment on an engine that is there already, in real time; tearing it down leaves that engine's data alone.
   * @throws PleachError as `Connection.connect` does
   */
  static async createFromExistingServer(
    options: TestWorkflowEnvironmentOptions & { address?: string; namespace?: string } = {},
  ): Promise<TestWorkflowEnvironment> {
    requireObject('TestWorkflowEnvironment', options, "{ address: 'sqlite:./test.db' }");
    const { address, namespace, client } = options;
    const at = address === undefined ? {} : { address };
    const connection = await Connection.connect(at);
    const nativeConnection = await NativeConnection.connect(at).catch(async (error: unknown) => {
      await connection.close();
      throw error;
    });
    const given = { ...(namespace === undefined ? {} : { namespace }), ...client };
    return new TestWorkflowEnvironment(undefined, undefined, connection, nativeConnection, { client: given });
  }

  /** An environment in real time. */
  static createLocal(options: TestWorkflowEnvironmentOptions = {}): Promise<TestWorkflowEnvironment> {
    return TestWorkflowEnvironment.#create(undefined, options);
  }

  static async #create(
    clock: SkippingClock | undefined,
    options: TestWorkflowEnvironmentOptions,
  ): Promise<TestWorkflowEnvironment> {
    requireObject('TestWorkflowEnvironment', options, '{ client: { dataConverter } }');
    if (options.client !== undefined)
      requireObject('TestWorkflowEnvironment: client', options.client, '{ dataConverter }');
    const engine = new MemoryEngine(clock ? { clock, leaseTtlMs: LEASE_TTL_MS } : {});
    const scheme = `testenv${++environments}:`;
    registerAddressOpener(scheme, async () => engine.retain());
    const connection = await Connection.connect({ address: scheme });
    const nativeConnection = await NativeConnection.connect({ address: scheme });
    return new TestWorkflowEnvironment(engine, clock, connection, nativeConnection, options);
  }

  /** The environment's time, in milliseconds since 1970. */
  async currentTimeMs(): Promise<number> {
    return (this.#clock ?? systemClock).now();
  }

  /** Waits by the environment's time: with time skipping, no longer than what happens meanwhile takes. */
  readonly sleep = async (duration: Duration): Promise<void> => {
    const clock = this.#clock ?? systemClock;
    const ms = Math.max(0, msToNumber(duration, 'sleep: its duration'));
    const until = clock.now() + ms;
    const slept = new Promise<void>((resolve) => clock.after(ms, resolve));
    await this.#skipping(() => slept, until);
  };

  /** Ends the environment; what it held is gone. */
  async teardown(): Promise<void> {
    await this.connection.close();
    await this.nativeConnection.close();
    await this.#engine?.release();
  }

  /** Lets time jump while a promise is pending. */
  async #skipping<T>(work: () => Promise<T>, until = Infinity): Promise<T> {
    const clock = this.#clock;
    if (!clock || !this.#engine) return work();
    const node = await this.#engine.node;
    let isDone = false;
    const pending = work().finally(() => {
      isDone = true;
    });
    pending.catch(() => undefined);
    let quietTurns = 0;
    while (!isDone) {
      await new Promise<void>((resolve) => clock.soon(resolve));
      // Two quiet turns: what one turn has sent arrives in the next.
      quietTurns = node.isQuiet ? quietTurns + 1 : 0;
      if (quietTurns < 3 || isDone) continue;
      quietTurns = 0;
      const next = Math.min(node.deadlines.nextAt ?? Infinity, until);
      if (next < Infinity) {
        clock.skipTo(next);
        node.arm();
      }
      await new Promise<void>((resolve) => systemClock.after(next < Infinity ? 0 : 1, resolve));
    }
    return pending;
  }
}

/** Lets time jump while a result is awaited. */
class SkippingWorkflowClient extends WorkflowClient {
  readonly #skipping: <T>(work: () => Promise<T>) => Promise<T>;

  constructor(options: WorkflowClientOptions, skipping: <T>(work: () => Promise<T>) => Promise<T>) {
    super(options);
    this.#skipping = skipping;
  }

  override async result<W extends Workflow>(
    workflowId: string,
    runId?: string,
    options: { followRuns?: boolean } = {},
  ): Promise<WorkflowResultType<W>> {
    return this.#skipping(() => super.result<W>(workflowId, runId, options));
  }
}
