import type { Command, WorkflowJob } from '../../common/index.ts';

/** What makes a command the same command: kind, number and names; payloads and time-outs may differ. */
function identity(command: Command): string {
  switch (command.kind) {
    case 'schedule-activity':
    case 'schedule-local-activity':
      return `${command.kind} ${command.seq} ${command.type} (id ${command.activityId})`;
    case 'start-child':
      return `start-child ${command.seq} ${command.type} (id ${command.workflowId})`;
    case 'signal-external':
      return `signal-external ${command.seq} "${command.name}" of ${command.target.workflowId}`;
    case 'cancel-external':
      return `cancel-external ${command.seq} of ${command.target.workflowId}`;
    case 'patch':
      return `patch "${command.patchId}"`;
    case 'update-accepted':
    case 'update-rejected':
    case 'update-completed':
      return `${command.kind} ${command.updateId}`;
    case 'continue-as-new':
      return `continue-as-new ${command.type}`;
    default:
      return 'seq' in command ? `${command.kind} ${command.seq}` : command.kind;
  }
}

/** Details are text for people: nothing follows from them, and the field's histories do not have them. */
const isRecorded = ({ kind }: Command): boolean => kind !== 'set-details';

/** Whether events tell of a command: of local activities they tell only the end. */
export const isTold = ({ kind }: Command): boolean =>
  kind !== 'schedule-local-activity' && kind !== 'cancel-local-activity';

/**
 * Holds the ends of local activities, as events tell them, to what the code has asked for by then.
 * @param asked the type by number
 * @returns a sentence with the first that was not asked for; undefined where there is none
 */
export function unaskedLocal(
  ended: readonly { seq: number; type: string }[],
  jobs: readonly WorkflowJob[],
  asked: ReadonlyMap<number, string>,
): string | undefined {
  for (const job of jobs) {
    if (job.kind !== 'local-activity-resolved') continue;
    const type = ended.find(({ seq }) => seq === job.seq)?.type ?? '';
    const own = asked.get(job.seq);
    if (own !== undefined && (own === type || type === '')) continue;
    const code = own === undefined ? 'the code has not asked for it' : `the code has asked for ${own}`;
    return `Nondeterminism error: the history has the end of local activity ${job.seq} ${type} where ${code}. Wrap the change in patched('…'), or let runs of the old code end first`;
  }
  return undefined;
}

const SHOWN = 5;

/**
 * Compares what a history recorded with what a replay gave.
 * @returns a sentence with the first difference and the last commands of both sides; undefined where there is none
 */
export function difference(recorded: readonly Command[], given: readonly Command[]): string | undefined {
  const expected = recorded.filter(isRecorded);
  const actual = given.filter(isRecorded);
  const longest = Math.max(expected.length, actual.length);
  for (let i = 0; i < longest; i++) {
    const want = expected[i];
    const got = actual[i];
    const wantText = want && identity(want);
    const gotText = got && identity(got);
    if (wantText === gotText) continue;
    const last = (side: readonly Command[]): string =>
      side
        .slice(Math.max(0, i - SHOWN + 1), i + 1)
        .map(identity)
        .join(', ') || 'nothing';
    const what =
      wantText === undefined
        ? `the code gives a command that the history does not have: ${gotText}`
        : gotText === undefined
          ? `the history has a command that the code does not give: ${wantText}`
          : `the history has ${wantText} where the code gives ${gotText}`;
    return `Nondeterminism error: ${what}. Last commands: history [${last(expected)}], code [${last(actual)}]. Wrap the change in patched('…'), or let runs of the old code end first`;
  }
  return undefined;
}
