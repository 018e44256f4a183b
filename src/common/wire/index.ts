export * from './activation.ts';
export * from './failure.ts';
export * from './payload.ts';
