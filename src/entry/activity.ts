import './node-version.ts';

// The public subpath pleach/activity.
export * from '../activity/index.ts';
