import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LIMITS } from '../../src/core/index.ts';

it('docs/limits.md has one line for each limit, with its value, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/limits.md'), 'utf8');
  const lines = [...page.matchAll(/^\| `(\w+)` \| ([^|]+) \| [^|]+ \|$/gm)];
  const stated = Object.fromEntries(
    lines.map(([, name = '', value = '']) => {
      const exact = /\(([\d,]+) bytes\)/.exec(value)?.[1] ?? value;
      return [name, Number.parseInt(exact.replaceAll(',', ''), 10)];
    }),
  );
  expect(stated).toEqual(LIMITS);
  expect(lines).toHaveLength(Object.keys(LIMITS).length);
});
