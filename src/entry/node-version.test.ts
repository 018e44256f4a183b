import { stripTypeScriptTypes } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { expect, test } from 'vitest';
import { decideNodeComplaint } from './node-version.ts';

test('a Node that is too old is named, with what to do about it', () => {
  expect(decideNodeComplaint('20.20.2')).toBe(
    'pleach needs Node 24 or newer and this is Node 20.20.2: install a newer one and run the same command again.',
  );
  expect(decideNodeComplaint('9.0.0')).toContain('Node 9.0.0');
});

test('the oldest allowed Node, newer ones and a place without Node draw no complaint', () => {
  expect(decideNodeComplaint('24.0.0')).toBeUndefined();
  expect(decideNodeComplaint('100.1.0')).toBeUndefined();
  expect(decideNodeComplaint(undefined)).toBeUndefined();
});

test('the module evaluates where there is no process, and throws one line on an old one', () => {
  const source = stripTypeScriptTypes(readFileSync(join(import.meta.dirname, 'node-version.ts'), 'utf8'));
  const script = source.replaceAll('export ', '');
  expect(() => runInContext(script, createContext({})) as unknown).not.toThrow();
  expect(() => runInContext(script, createContext({ process: { versions: { node: '18.1.0' } } })) as unknown).toThrow(
    /^pleach needs Node 24 or newer and this is Node 18\.1\.0: .*$/,
  );
});
