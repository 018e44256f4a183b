import './node-version.ts';
import './addresses.ts';

// The public subpath pleach/worker.
export * from '../worker/index.ts';
