import './node-version.ts';
import type { Client } from '../client/index.ts';

// The public subpath pleach/activity.
export * from '../activity/index.ts';

declare module '../activity/context.ts' {
  interface ContextTypes {
    /** The client lies on a floor above activities; only here are both in sight. */
    client: Client;
  }
}
