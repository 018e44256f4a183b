import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/core/index.ts';

it('docs/errors.md has one line for each code, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
  const lines = [...page.matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(([, code]) => code);
  expect(new Set(lines)).toEqual(new Set(ERROR_CODES));
  expect(lines).toHaveLength(ERROR_CODES.length);
});

it('every code is raised by something', () => {
  const src = join(import.meta.dirname, '../../src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file !== join('core', 'errors.ts'),
  );
  const source = files.map((file) => readFileSync(join(src, file), 'utf8')).join('\n');
  expect(ERROR_CODES.filter((code) => !source.includes(`'${code}'`))).toEqual([]);
});
