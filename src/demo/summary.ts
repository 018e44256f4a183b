// What is judged at the end, and said. The facts are loaded afresh: the ledger from the disk, commits and trees from git;
// the workflow's own word is one side of each comparison and never both.
import { readFileSync } from 'node:fs';
import { branchRef, openGit, revParse, treeOf } from '../vcs/index.ts';
import { readLedger } from './ledger.ts';
import { ledgerIn, reportIn, repositoryIn, TARGET_BRANCH, taskBranch } from './places.ts';
import type { Task } from './tasks.ts';
import { judgeLedger, type Verdict } from './verdict.ts';
import type { LandingReport } from './workflows.ts';

/** A commit on the target, as git has it. */
export interface LandedCommit {
  readonly commit: string;
  readonly tree: string;
  readonly subject: string;
}

/** Everything that the end is judged by. */
export interface Facts {
  readonly tasks: readonly Task[];
  readonly report: LandingReport;
  readonly verdict: Verdict;
  /** Whether the engine's process ended by SIGKILL once. */
  readonly wasKilled: boolean;
  /** What is on the target beyond its base, the oldest first. */
  readonly landed: readonly LandedCommit[];
  /** The ids of tasks whose branches are there. */
  readonly branches: ReadonlySet<string>;
}

/** Loads the facts of a demonstration that is over. @throws GitError · Error when there is no report */
export async function loadFacts(folder: string, tasks: readonly Task[], wasKilled: boolean): Promise<Facts> {
  const git = openGit();
  const repository = repositoryIn(folder);
  const report = JSON.parse(readFileSync(reportIn(folder), 'utf8')) as LandingReport;
  const range = `${report.base}..${branchRef(TARGET_BRANCH)}`;
  const { stdout } = await git.run(['log', '-z', '--first-parent', '--reverse', '--format=%H %s', range], {
    in: repository,
  });
  const landed: LandedCommit[] = [];
  for (const line of stdout.split('\0').filter((each) => each !== '')) {
    const [commit = '', ...subject] = line.trim().split(' ');
    const tree = await treeOf(git, { repository, revision: commit });
    landed.push({ commit, tree, subject: subject.join(' ') });
  }
  const branches = new Set<string>();
  for (const { id } of tasks) {
    if ((await revParse(git, { repository, revision: branchRef(taskBranch(id)) })) !== undefined) branches.add(id);
  }
  return { tasks, report, verdict: judgeLedger(readLedger(ledgerIn(folder))), wasKilled, landed, branches };
}

/** Decides what does not hold, a sentence each; empty when all is well. */
export function decideFaults({ tasks, report, verdict, wasKilled, landed, branches }: Facts): string[] {
  const faults: string[] = [];
  for (const { id, expected } of tasks) {
    const outcome = report.outcomes.find((each) => each.id === id);
    if (outcome?.outcome !== expected)
      faults.push(`${id} was to be ${expected} and is ${outcome?.outcome ?? 'missing'}`);
    if (!branches.has(id)) faults.push(`the branch of ${id} is gone`);
    if (outcome?.outcome !== 'landed') continue;
    const found = landed.find(({ commit }) => commit === outcome.commit);
    if (found === undefined) faults.push(`${id}: its commit is not on the target`);
    else if (found.tree !== outcome.testedTree || outcome.landedTree !== outcome.testedTree) {
      faults.push(`${id}: the tree ${outcome.testedTree} was tested and ${found.tree} is on the target`);
    }
  }
  const told = report.outcomes.flatMap((each) => (each.outcome === 'landed' ? [each.commit] : []));
  if (told.join() !== landed.map(({ commit }) => commit).join()) {
    faults.push(`the target has ${landed.length} new commits, and ${told.length} were told of, or in another order`);
  }
  if (!wasKilled) faults.push('the engine was never killed');
  else if (verdict.inFlightAtKill.length === 0) faults.push('nothing was in flight when the engine was killed');
  if (verdict.rerun.length > 0) faults.push(`completed steps ran again: ${verdict.rerun.join(', ')}`);
  if (verdict.lost.length > 0) faults.push(`steps began and never ended: ${verdict.lost.join(', ')}`);
  return faults;
}

/** Renders the summary, line by line. @param elapsedMs since the demonstration began, in milliseconds */
export function renderSummary(facts: Facts, faults: readonly string[], elapsedMs: number): string[] {
  const { tasks, report, verdict, landed } = facts;
  const lines = ['tasks'];
  for (const { id, title } of tasks) {
    const outcome = report.outcomes.find((each) => each.id === id);
    let tail = '';
    if (outcome?.outcome === 'landed') tail = `tree ${outcome.testedTree.slice(0, 10)} tested and landed`;
    else if (outcome !== undefined) tail = `${outcome.why}; its branch ${taskBranch(id)} is kept`;
    lines.push(`  ${title.padEnd(26)} ${(outcome?.outcome ?? 'missing').padEnd(13)} ${tail}`.trimEnd());
  }
  lines.push('', `new on ${TARGET_BRANCH}`);
  for (const { commit, subject } of landed) lines.push(`  ${commit.slice(0, 10)} ${subject}`);
  const names = (steps: readonly string[]): string => (steps.length === 0 ? '' : ` (${steps.join(', ')})`);
  lines.push(
    '',
    'steps, by the ledger',
    `  completed                             ${verdict.completedCount}`,
    `  completed when the engine was killed  ${verdict.recordedAtKill.length}`,
    `  in flight when it was killed          ${verdict.inFlightAtKill.length}${names(verdict.inFlightAtKill)}`,
    ...(verdict.unknownAtKill.length === 0
      ? []
      : [`  ended just then, perhaps unrecorded   ${verdict.unknownAtKill.length}${names(verdict.unknownAtKill)}`]),
    `  of these begun again                  ${verdict.repeated.length}`,
    `  completed and run again               ${verdict.rerun.length}${names(verdict.rerun)}`,
    '',
    ...faults.map((fault) => `DOES NOT HOLD: ${fault}`),
    ...(faults.length === 0 ? ['Nothing lost, nothing completed run again, every tree landed as it was tested.'] : []),
    `${(elapsedMs / 1000).toFixed(1)} s`,
  );
  return lines;
}
