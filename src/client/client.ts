import { ActivityClient } from './activity-client.ts';
import { BaseClient, type BaseClientOptions } from './base-client.ts';
import type { ClientInterceptors } from './interceptors.ts';
import { requireOptions } from './start-options.ts';
import { type QueryRejectCondition, WorkflowClient } from './workflow-client.ts';

/** What a client is made with. */
export interface ClientOptions extends BaseClientOptions {
  interceptors?: ClientInterceptors;
  workflow?: {
    /** What a query does with a closed run. Default NONE: it is answered. */
    queryRejectCondition?: QueryRejectCondition;
  };
}

/** A client: `workflow` to start and talk to workflows, `activity` to complete activities from elsewhere. */
export class Client extends BaseClient {
  readonly options: Readonly<ClientOptions>;
  readonly workflow: WorkflowClient;
  readonly activity: ActivityClient;

  constructor(options: ClientOptions = {}) {
    super(options);
    requireOptions('a client: interceptors', options.interceptors, '{ workflow: [] }');
    requireOptions('a client: workflow', options.workflow, '{ queryRejectCondition }');
    const { interceptors, workflow, ...base } = { ...options, connection: this.connection };
    this.options = { ...options, namespace: this.namespace, identity: this.identity, connection: this.connection };
    this.workflow = new WorkflowClient({
      ...base,
      ...(interceptors?.workflow ? { interceptors: interceptors.workflow } : {}),
      ...workflow,
    });
    this.activity = new ActivityClient(base);
  }
}
