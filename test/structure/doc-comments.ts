import { posix } from 'node:path';
import { blank } from './scan-source.ts';

/** Something that a file exports, and whether a doc comment stands over one of its declarations. */
export interface Exported {
  readonly name: string;
  /** The file in which it is declared. */
  readonly path: string;
  readonly isDocumented: boolean;
}

const declaration =
  /^export (?:default )?(?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|const enum|const|let|type|interface|enum|namespace) (?<name>[\w$]+)/gm;
const list = /^export (?:type )?\{(?<names>[^}]*)\}(?: from (?<from>'[^']*'))?;/gm;
const star = /^export (?:type )?\* from (?<from>'[^']*');/gm;

/**
 * Everything that a file exports, by way of what it passes on from other files too.
 * @param read the text of a file by its path
 */
export function exportsOf(path: string, read: (path: string) => string): Exported[] {
  const text = read(path);
  const code = blank(text);
  const found = new Map<string, Exported>();
  const add = (one: Exported): void => {
    const isDocumented = one.isDocumented || (found.get(one.name)?.isDocumented ?? false);
    found.set(one.name, { ...one, isDocumented });
  };
  // Strings are blanked in `code`: where a file is named it is read from the text, which is as long.
  const fileAt = (match: RegExpMatchArray): string | undefined => {
    const from = text.slice(match.index, match.index! + match[0].length).match(/from '(\.[^']*)'/)?.[1];
    return from === undefined ? undefined : posix.join(posix.dirname(path), from);
  };
  for (const match of code.matchAll(declaration)) {
    const isDocumented = hasDocComment(text, match.index);
    add({ name: match.groups!['name']!, path, isDocumented });
  }
  for (const match of code.matchAll(list)) {
    const file = fileAt(match);
    const from = file === undefined ? undefined : new Map(exportsOf(file, read).map((one) => [one.name, one]));
    for (const entry of match.groups!['names']!.split(',')) {
      const [inner = '', outer = inner] = entry
        .trim()
        .replace(/^type /, '')
        .split(' as ');
      if (inner === '' || (from === undefined && file === undefined && match.groups!['from'] !== undefined)) continue;
      const one = from?.get(inner) ?? localOf(text, path, inner, read);
      add({ ...one, name: outer });
    }
  }
  for (const match of code.matchAll(star)) {
    const file = fileAt(match);
    if (file !== undefined) exportsOf(file, read).forEach(add);
  }
  return [...found.values()];
}

/** What a list without a file names: a declaration of the file itself, or what it has imported. */
function localOf(text: string, path: string, name: string, read: (path: string) => string): Exported {
  for (const [, names = '', from = ''] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '(\.[^']*)';/gm)) {
    if (!names.split(',').some((entry) => entry.trim().replace(/^type /, '') === name)) continue;
    const one = exportsOf(posix.join(posix.dirname(path), from), read).find((other) => other.name === name);
    if (one) return one;
  }
  const at = text.search(
    new RegExp(String.raw`^(?:\w+ )*(?:class|function\*?|const|let|type|interface|enum) ${name}\b`, 'm'),
  );
  return { name, path, isDocumented: at >= 0 && hasDocComment(text, at) };
}

/** Whether what begins at `at` has a doc comment over it; a note to the linter may stand between. */
function hasDocComment(text: string, at: number): boolean {
  return /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*(?:\/\/[^\n]*\n\s*)*$/.test(text.slice(0, at));
}
