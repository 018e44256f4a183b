/**
 * client: starts workflows and talks to them.
 *
 * Nouns: the connection (to an engine, by address), the client with its parts for workflows and for activities that are
 * completed from elsewhere, the handle on a workflow, the handle on an update, and the errors with their cause chains.
 *
 * It promises the names and behaviour of the Temporal TypeScript SDK's client package. What a call tells of is durable
 * when it returns. A request that takes effect carries an id that is kept across retries and reconnections, so it takes
 * effect once, whatever the network or the engine does meanwhile.
 *
 * When the world fails: a broken link is opened again, to the same engine or to the one that took over; what can be
 * asked again is, within its deadline. What cannot be mended is an error whose cause names the engine's code.
 */
import type { DataConverter, LoadedDataConverter } from '../common/index.ts';
import { ActivityClient } from './activity-client.ts';
import type { Connection } from './connection.ts';
import { WorkflowClient } from './workflow-client.ts';

export * from './activity-client.ts';
export { Connection, type ConnectionOptions, defaultIdentity, openCaller } from './connection.ts';
export * from './errors.ts';
export type * from './handles.ts';
export { typeName, type WorkflowOptions, type WorkflowStartOptions } from './start-options.ts';
export * from './workflow-client.ts';

/** What a client is made with. */
export interface ClientOptions {
  connection: Connection;
  /** Default `default`. */
  namespace?: string;
  identity?: string;
  dataConverter?: DataConverter & Partial<LoadedDataConverter>;
}

/** A client: `workflow` to start and talk to workflows, `activity` to complete activities from elsewhere. */
export class Client {
  readonly connection: Connection;
  readonly workflow: WorkflowClient;
  readonly activity: ActivityClient;

  constructor(options: ClientOptions) {
    this.workflow = new WorkflowClient(options);
    this.connection = options.connection;
    this.activity = new ActivityClient(options);
  }
}
