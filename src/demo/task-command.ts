import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// What a task's worktree is worked on by, and what checks it: a program of its own, run in the worktree.
//   task-command.ts work  <file> <text> <milliseconds> <count?>
//   task-command.ts check
const [, , act, file = '', text = '', worksMs = '0', count = ''] = process.argv;
const notes = join(process.cwd(), 'demo-notes');

if (act === 'work') {
  // Work that takes its time: waiting stands for it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(worksMs));
  mkdirSync(notes, { recursive: true });
  const counted =
    count === 'count'
      ? `# Inventory\n\n${readdirSync(process.cwd()).filter((name) => name !== '.git').length} entries.\n`
      : text;
  writeFileSync(join(notes, file), counted);
} else if (act === 'check') {
  const wrong: string[] = [];
  for (const name of readdirSync(notes)) {
    const body = readFileSync(join(notes, name), 'utf8');
    if (name.endsWith('.md') && !body.startsWith('# ')) wrong.push(`${name}: a note begins with a heading`);
    if (name.endsWith('.json')) {
      try {
        JSON.parse(body);
      } catch (error) {
        wrong.push(`${name}: ${(error as Error).message}`);
      }
    }
  }
  if (wrong.length > 0) {
    process.stderr.write(`${wrong.join('\n')}\n`);
    process.exitCode = 1;
  }
} else {
  process.stderr.write('task-command.ts work|check\n');
  process.exitCode = 2;
}
