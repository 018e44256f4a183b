import './node-version.ts';

// The public subpath pleach/testing.
export * from '../testing/index.ts';
