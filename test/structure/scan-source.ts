/**
 * Reads a TypeScript file just far enough to know what it imports and which powers it uses. A parser would say more, but
 * the ones at hand drop type-only imports or are not a stable API; so a small scanner blanks out comments and the inside
 * of literals, keeping every position, and plain patterns then look at code alone. A string that happens to contain
 * `from 'node:net'` is no import, and one that the scanner misreads shows up as a violation to look at, not in silence.
 */
import { builtinModules } from 'node:module';
import type { Power } from './rooms.ts';

/** Whether a specifier names a built-in without the prefix; some built-ins (`node:sqlite`) exist only with it. */
export function isBareBuiltin(specifier: string): boolean {
  return builtinModules.includes(specifier) && !specifier.startsWith('node:');
}

/** What a file asks for by name, in the order of its text. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** The text between `import` and `from`: names, `type`, or empty. */
  readonly clause: string;
}

/** One use of a power. */
export interface PowerUse {
  readonly power: Power;
  readonly line: number;
  readonly text: string;
}

/** The text with comments and the inside of strings, templates and regular expressions as spaces; same length. */
export function blank(text: string): string {
  let out = '';
  let at = 0;
  const skip = (end: number, keep = 0): void => {
    const piece = text.slice(at, end);
    const inside = piece.slice(keep, piece.length - keep).replace(/[^\n]/g, ' ');
    out += piece.slice(0, keep) + inside + piece.slice(piece.length - keep);
    at = end;
  };
  const copy = (): void => {
    out += text[at];
    at += 1;
  };
  const closing = (quote: string): number => {
    let end = at + 1;
    while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
    return Math.min(end + 1, text.length);
  };
  const regexEnd = (): number => {
    const found = /^\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//.exec(text.slice(at));
    return found === null ? -1 : at + found[0].length;
  };
  // Code up to the end of the file, or up to the brace that closes a template's `${`.
  const code = (untilBrace: boolean): void => {
    let depth = 0;
    while (at < text.length) {
      const c = text[at];
      if (c === '/' && text[at + 1] === '/') skip(endOr(text.indexOf('\n', at), text.length));
      else if (c === '/' && text[at + 1] === '*') skip(endOr(text.indexOf('*/', at + 2) + 2, text.length, 1));
      else if (c === "'" || c === '"') skip(closing(c), 1);
      else if (c === '`') template();
      else if (c === '/' && mayBeginRegex(out) && regexEnd() > 0) skip(regexEnd(), 1);
      else {
        if (c === '{') depth += 1;
        if (c === '}' && untilBrace && depth === 0) return;
        if (c === '}') depth -= 1;
        copy();
      }
    }
  };
  const template = (): void => {
    copy();
    while (at < text.length && text[at] !== '`') {
      if (text[at] === '$' && text[at + 1] === '{') {
        copy();
        copy();
        code(true);
        if (at < text.length) copy();
      } else skip(Math.min(at + (text[at] === '\\' ? 2 : 1), text.length));
    }
    if (at < text.length) copy();
  };
  code(false);
  return out;
}

function endOr(end: number, otherwise: number, missing = -1): number {
  return end === missing ? otherwise : end;
}

/** A slash divides after a value and begins a regular expression elsewhere. */
function mayBeginRegex(before: string): boolean {
  const tail = before.slice(-64).trimEnd();
  return /(?:^|[=(,:;!&|?{}[+\-*%<>~^])$|\b(?:return|typeof|case|of|in|await|yield|throw|else|do|void)$/.test(tail);
}

const importPatterns = [
  /\b(?:import|export)\b(?<clause>[^;'"`()]*?)\bfrom\s*(?<quote>['"])/g,
  /\bimport\s*(?<quote>['"])/g,
  /\bimport\s*\(\s*(?<quote>['"`])/g,
  /\brequire\s*\(\s*(?<quote>['"`])/g,
  /\bimport\.meta\.resolve\s*\(\s*(?<quote>['"`])/g,
];
const urlPattern = /\bnew\s+URL\s*\(\s*(?<quote>['"`])/g;

/** Every module a file names: static, type-only and dynamic imports, re-exports, and `new URL('…', import.meta.url)`. */
export function findImports(text: string, code: string = blank(text)): Import[] {
  const found: (Import & { at: number })[] = [];
  const add = (match: RegExpExecArray): void => {
    const start = match.index + match[0].length;
    const end = code.indexOf(match.groups?.['quote'] ?? '', start);
    const clause = match.groups?.['clause'] ?? '';
    found.push({ at: start, specifier: text.slice(start, end), line: lineAt(code, start), clause: clause.trim() });
  };
  for (const pattern of importPatterns) for (const match of code.matchAll(pattern)) add(match);
  for (const match of code.matchAll(urlPattern)) {
    const rest = code.slice(match.index + match[0].length, match.index + match[0].length + 400);
    if (/^\s*['"`]\s*,\s*import\.meta\.url\b/.test(rest)) add(match);
  }
  return found.toSorted((a, b) => a.at - b.at).map(({ at: _, ...rest }) => rest);
}

const powerModules: Record<Exclude<Power, 'clock' | 'random' | 'stdout'>, RegExp> = {
  processes: /^node:(child_process|cluster)$/,
  sql: /^(node:sqlite|pg)$/,
  sockets: /^node:(net|http|https|http2|tls|dgram|dns|dns\/promises)$/,
  threads: /^node:worker_threads$/,
  vm: /^node:vm$/,
};

// A name after a dot is someone's own method (`clock.setTimeout`), a name before a colon a property of that name.
const own = String.raw`(?<![.\w$]|typeof )`;
const powerPatterns: readonly [Power, RegExp][] = [
  ['clock', /\bDate\.now\b|\bnew\s+Date\s*\(\s*\)|\bnew\s+Date\b(?!\s*[(\w])|\bTemporal\.Now\b/g],
  ['clock', /\bperformance\.(?:now|timeOrigin)\b|\bprocess\.(?:hrtime|uptime)\b|\bAbortSignal\.timeout\b/g],
  ['clock', new RegExp(String.raw`(?:${own}|\bglobalThis\.)(?:setTimeout|setInterval)\b(?!\s*\??:)`, 'g')],
  ['random', /\bMath\.random\b|\bcrypto\.(?:random\w+|getRandomValues)\b/g],
  ['sockets', new RegExp(String.raw`(?:${own}|\bglobalThis\.)fetch\s*\(|\bnew\s+(?:WebSocket|EventSource)\b`, 'g')],
  ['stdout', /\bconsole\.\w+|\bprocess\.(?:stdout|stderr)\b/g],
];

/** Every place where a file reaches for the world. */
export function findPowers(text: string, code: string = blank(text)): PowerUse[] {
  const uses: PowerUse[] = [];
  for (const { specifier, line, clause } of findImports(text, code)) {
    const module = isBareBuiltin(specifier) ? `node:${specifier}` : specifier;
    for (const [power, pattern] of Object.entries(powerModules) as [Power, RegExp][]) {
      if (pattern.test(module)) uses.push({ power, line, text: specifier });
    }
    if (module.startsWith('node:timers')) uses.push({ power: 'clock', line, text: specifier });
    if (module === 'node:perf_hooks') uses.push({ power: 'clock', line, text: specifier });
    if (module === 'node:crypto' && /\brandom|\bgetRandomValues\b/.test(clause)) {
      uses.push({ power: 'random', line, text: clause.replaceAll(/\s+/g, ' ') });
    }
  }
  for (const [power, pattern] of powerPatterns) {
    for (const match of code.matchAll(pattern)) uses.push({ power, line: lineAt(code, match.index), text: match[0] });
  }
  return uses;
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}
