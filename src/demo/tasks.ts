/** One task of the demonstration. */
export interface Task {
  id: string;
  title: string;
  /** What the task's command is told to do. */
  does: 'write-note' | 'count-files' | 'break-data';
  file: string;
  text: string;
  /** How long its command works, in milliseconds. */
  worksMs: number;
  /** How it is meant to end. */
  expected: 'landed' | 'conflict' | 'check-failed';
}

/** Six tasks: four land, one meets a conflict, one fails its check. */
export const TASKS: readonly Task[] = [
  {
    id: 'greeting',
    title: 'Write a greeting',
    does: 'write-note',
    file: 'greeting.md',
    text: '# Greeting\n\nHello from a worktree.\n',
    worksMs: 500,
    expected: 'landed',
  },
  {
    id: 'colours',
    title: 'List the colours',
    does: 'write-note',
    file: 'colours.md',
    text: '# Colours\n\nGreen, brown.\n',
    worksMs: 900,
    expected: 'landed',
  },
  {
    id: 'inventory',
    title: 'Count the files',
    does: 'count-files',
    file: 'inventory.md',
    text: '',
    worksMs: 1400,
    expected: 'landed',
  },
  {
    id: 'plan-a',
    title: 'Write the plan',
    does: 'write-note',
    file: 'plan.md',
    text: '# Plan\n\nFirst the hedge, then the wall.\n',
    worksMs: 2200,
    expected: 'landed',
  },
  {
    id: 'plan-b',
    title: 'Write the plan otherwise',
    does: 'write-note',
    file: 'plan.md',
    text: '# Plan\n\nFirst the wall, then the hedge.\n',
    worksMs: 3000,
    expected: 'conflict',
  },
  {
    id: 'data',
    title: 'Write the data',
    does: 'break-data',
    file: 'data.json',
    text: '{ "trees": 6, ',
    worksMs: 700,
    expected: 'check-failed',
  },
];
