// What a task's worktree is worked on by, and what checks it: a program of its own, run in the worktree.
//   task-command.ts work  <what it does> <file> <text> <milliseconds>
//   task-command.ts check
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [, , act, does = '', file = '', text = '', worksMs = '0'] = process.argv;
const notes = join(process.cwd(), 'demo-notes');

if (act === 'work') {
  // Work that takes its time: waiting stands for it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(worksMs));
  mkdirSync(notes, { recursive: true });
  const wanted = does === 'count-files' ? inventory() : text;
  const path = join(notes, file);
  // Left alone when it is as it should be: the program of an attempt whose engine died may still run beside this one,
  // and must not empty the file under a commit.
  if (!existsSync(path) || readFileSync(path, 'utf8') !== wanted) writeFileSync(path, wanted);
} else if (act === 'check') {
  const wrong = existsSync(notes) ? readdirSync(notes).flatMap(faultsOf) : [];
  process.stderr.write(wrong.map((line) => `${line}\n`).join(''));
  process.exitCode = wrong.length === 0 ? 0 : 1;
} else {
  process.stderr.write('task-command.ts work|check\n');
  process.exitCode = 2;
}

function inventory(): string {
  const names = readdirSync(process.cwd()).filter((name) => name !== '.git' && name !== 'demo-notes');
  return `# Inventory\n\n${names.length} entries.\n`;
}

function faultsOf(name: string): string[] {
  const body = readFileSync(join(notes, name), 'utf8');
  if (name.endsWith('.md') && !body.startsWith('# ')) return [`${name}: a note begins with a heading`];
  if (!name.endsWith('.json')) return [];
  try {
    JSON.parse(body);
    return [];
  } catch (error) {
    return [`${name}: ${(error as Error).message}`];
  }
}
