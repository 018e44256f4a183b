import './node-version.ts';
import './addresses.ts';
import { Client, type ClientInterceptors } from '../client/index.ts';
import { setClientMaker } from '../worker/index.ts';

// The public subpath pleach/worker.
export {
  type ActivityExecuteInput,
  type ActivityInboundCallsInterceptor,
  type ActivityInterceptors,
  type ActivityInterceptorsFactory,
  type ActivityOutboundCallsInterceptor,
  appendDefaultInterceptors,
  type BundleOptions,
  bundleWorkflowCode,
  DefaultLogger,
  type GetLogAttributesInput,
  type GetMetricTagsInput,
  GracefulShutdownPeriodExpiredError,
  type Headers,
  type InjectedSink,
  type InjectedSinkFunction,
  type InjectedSinks,
  type HistoryAndWorkflowId,
  type LogEntry,
  makeTelemetryFilterString,
  NativeConnection,
  type NativeConnectionOptions,
  type Next,
  ReplayError,
  type ReplayHistoriesIterable,
  type ReplayResult,
  type ReplayWorkerOptions,
  Runtime,
  type RuntimeOptions,
  type State,
  Worker,
  type WorkerInterceptors,
  type WorkerOptions,
  type WorkerStatus,
  type WorkflowBundleOption,
  type WorkflowBundleWithSourceMap,
} from '../worker/index.ts';
export { defaultPayloadConverter, IllegalStateError } from '../common/index.ts';
export type { DataConverter, Logger, LogLevel, LogMetadata } from '../common/index.ts';
export type { History } from '../contract/index.ts';

// Activities are given a client of their worker's connection, with the worker's namespace and data converter.
setClientMaker(({ connection, namespace, identity, dataConverter, interceptors }) => {
  return new Client({
    connection,
    ...(namespace === undefined ? {} : { namespace }),
    ...(identity === undefined ? {} : { identity }),
    ...(dataConverter ? { dataConverter } : {}),
    ...(interceptors?.client ? { interceptors: interceptors.client as ClientInterceptors } : {}),
  });
});
