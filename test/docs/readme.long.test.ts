import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readmeBlocks } from './readme-blocks.ts';

it("the README's command for the demonstration ends well", () => {
  const command =
    readmeBlocks()
      .find(({ text }) => text.trim() === 'npm start')
      ?.text.trim() ?? '';
  expect(command).not.toBe('');
  const root = join(import.meta.dirname, '../..');
  const ended = spawnSync(command, { cwd: root, shell: true, encoding: 'utf8', timeout: 120_000 });
  expect(ended.status, `${ended.stdout}\n${ended.stderr}`).toBe(0);
}, 130_000);
