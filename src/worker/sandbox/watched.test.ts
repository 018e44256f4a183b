import { expect, it } from 'vitest';
import { Watched, WATCHED_BYTES } from './watched.ts';

it('tells another thread whose code is on the stack, and when other code is', () => {
  const buffer = new SharedArrayBuffer(WATCHED_BYTES);
  const thread = new Watched(buffer);
  const watcher = new Watched(buffer);
  expect(watcher.runId).toBeUndefined();
  thread.enter('01a21838-db03-7aa8-85ce-c7f1ad8cd58f');
  const first = watcher.number;
  expect(watcher.runId).toBe('01a21838-db03-7aa8-85ce-c7f1ad8cd58f');
  thread.leave();
  expect(watcher.number).toBe(0);
  thread.enter('00000000-0000-7000-8000-0000000000ff');
  expect(watcher.number).not.toBe(first);
  expect(watcher.runId).toBe('00000000-0000-7000-8000-0000000000ff');
});
