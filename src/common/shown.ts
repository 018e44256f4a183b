/** Characters of a value in a message; the rest is cut. */
const SHOWN_CHARACTERS_MAX = 80;

/** A value as a message shows it: one short line. Never throws, whatever the value's own methods do. */
export function shown(value: unknown): string {
  const text = textOf(value);
  return text.length <= SHOWN_CHARACTERS_MAX
    ? text
    : `${text.slice(0, SHOWN_CHARACTERS_MAX)}… (${text.length} characters)`;
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return 'a function';
    case 'object':
      try {
        return (JSON.stringify(value) as string | undefined) ?? 'an object';
      } catch {
        // A circle, a bigint inside, or a getter or toJSON that throws: what it is must do.
        return Array.isArray(value) ? 'a list that cannot be printed' : 'an object that cannot be printed';
      }
    default:
      return String(value);
  }
}

/**
 * The error for an argument that is not what it may be.
 * @param what the operation, or the operation and the field: `sleep`, `retry.jitter`
 * @param may what it may be, from the verb on: `is a number from 0 to 1`
 */
export function wrongArgument(what: string, may: string, value: unknown): TypeError {
  return new TypeError(`${what} ${may}; this is ${shown(value)}`);
}

/** @throws TypeError unless it is a function */
export function requireFunction(what: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongArgument(what, 'takes a function', value);
}

/** @throws TypeError unless it is an object that is no list */
export function requireObject(what: string, value: unknown, example: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrongArgument(what, `takes an object such as ${example}`, value);
}

/** The most characters of an id or a name; `LIMITS.nameCharactersMax` says the same outside the sandbox. */
export const NAME_CHARACTERS_MAX = 1000;

/** @throws TypeError unless it is text of 1 to 1,000 characters */
export function requireNameText(what: string, value: unknown): void {
  if (typeof value !== 'string' || value.length === 0 || value.length > NAME_CHARACTERS_MAX)
    throw wrongArgument(what, `is text of 1 to ${NAME_CHARACTERS_MAX} characters`, value);
}

/** @throws TypeError unless it is one of a set of words */
export function requireWord(what: string, value: unknown, words: Record<string, string>): void {
  if (typeof value !== 'string' || !Object.hasOwn(words, value))
    throw wrongArgument(what, `is one of ${Object.keys(words).join(', ')}`, value);
}

/** The key of a priority, 1 (first) to 5. @throws TypeError for what is none */
export function priorityOf(priority: { priorityKey?: number } | undefined): number | undefined {
  if (priority === undefined) return undefined;
  requireObject('priority', priority, '{ priorityKey: 1 }');
  const { priorityKey } = priority;
  if (priorityKey !== undefined && (!Number.isInteger(priorityKey) || priorityKey < 1 || priorityKey > 5))
    throw wrongArgument('priority.priorityKey', 'is a whole number from 1 (first) to 5', priorityKey);
  return priorityKey;
}
