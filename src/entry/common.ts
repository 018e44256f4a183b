// The public subpath pleach/common; also bundled into the sandbox, so nothing of the host is reached from here.
export * from '../common/index.ts';
