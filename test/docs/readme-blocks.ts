import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One fenced block of a page. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of the README, with their languages, in order. */
export function readmeBlocks(): Block[] {
  const page = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text }));
}

/** The README's first example: its files by name, as they stand, the commands that run it, and what it prints. */
export function firstExample(): { files: Record<string, string>; commands: string[]; output: string } {
  const blocks = readmeBlocks();
  const of = (language: string): string[] =>
    blocks.filter((block) => block.language === language).map(({ text }) => text);
  const files = of('ts').map((text): [string, string] => [/^\/\/ (\S+)\n/.exec(text)?.[1] ?? '', text]);
  return {
    files: Object.fromEntries(files),
    commands: of('sh')[0]?.trim().split('\n') ?? [],
    output: of('text')[0] ?? '',
  };
}
