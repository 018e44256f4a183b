import { type DataConverter, type LoadedDataConverter, loadDataConverter, shown } from '../common/index.ts';
import type { Effect, RequestName, Requests } from '../contract/index.ts';
import { loadModule, PleachError } from '../core/index.ts';
import {
  callOptions,
  Connection,
  type ConnectionLike,
  defaultIdentity,
  instantOf,
  requireSignal,
  withLimits,
} from './connection.ts';
import { requireOptions, requireText, requireWork } from './start-options.ts';

/** What every client is made with. */
export interface BaseClientOptions {
  /** Default: a lazy connection to a server on this machine. */
  connection?: ConnectionLike;
  /** Default `default`. */
  namespace?: string;
  /** Who asks, in histories. Default: process id and host. */
  identity?: string;
  dataConverter?: DataConverter & Partial<LoadedDataConverter>;
}

/** What every client has: a connection, a namespace, an identity, and a way to convert data. */
export class BaseClient {
  readonly connection: ConnectionLike;
  readonly namespace: string;
  readonly identity: string;
  /** @internal */
  readonly converter: LoadedDataConverter;

  /** @throws PleachError INVALID_ARGUMENT · TypeError or ValueError for a data converter that is none */
  constructor(options: BaseClientOptions = {}) {
    requireOptions('a client', options, '{ connection, namespace }');
    const { connection, namespace = 'default', identity } = options;
    if (connection !== undefined && typeof connection?.caller?.call !== 'function') {
      throw new PleachError(
        'INVALID_ARGUMENT',
        `a client's connection comes from Connection.connect({ address }); this is ${shown(connection)}`,
      );
    }
    this.connection = connection ?? Connection.lazy();
    this.namespace = requireText('namespace', namespace);
    this.identity = identity === undefined ? defaultIdentity() : requireText('identity', identity);
    this.converter = loadDataConverter(options.dataConverter, loadModule);
  }

  /** Runs requests with a point in time by which each must be answered. */
  async withDeadline<R>(deadline: number | Date, work: () => Promise<R>): Promise<R> {
    return withLimits(this.connection.caller, { deadlineAt: instantOf(deadline) }, work);
  }

  /** Runs requests that are given up when the signal is aborted. */
  async withAbortSignal<R>(signal: AbortSignal, work: () => Promise<R>): Promise<R> {
    return withLimits(this.connection.caller, { signal: requireSignal(signal) }, work);
  }

  /** Metadata has no carrier inside a process; it is accepted and goes nowhere. */
  async withMetadata<R>(_metadata: Record<string, unknown>, work: () => Promise<R>): Promise<R> {
    requireWork('withMetadata', work);
    return work();
  }

  /** @internal Makes a request; a long one waits for something to happen, and has no deadline but the caller's. */
  request<N extends RequestName>(
    method: N,
    params: Requests[N]['params'],
    isLong = false,
  ): Promise<Requests[N]['answer']> {
    const { caller } = this.connection;
    return caller.call(method, params, callOptions(caller, isLong));
  }

  /** @internal What makes a request take effect once, and says whose it is. */
  effect(): Effect {
    return { requestId: this.connection.caller.newRequestId(), identity: this.identity };
  }
}
