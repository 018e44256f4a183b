import { type Figures, type Scenario, SIZES } from './peers/measure.ts';

/** A row's name on the command line. */
export type RowName = Exclude<Scenario, 'recovery-begin' | 'recovery-end'> | 'recovery' | 'recovery-after-outage';

/** What each system gave, by its name. */
export type Given = Record<string, Figures>;

/** Whether a row's target holds, and the words for it. */
export interface Verdict {
  target: string;
  holds: boolean;
}

/** One row of the design's table. */
export interface Row {
  name: RowName;
  title: string;
  unit: string;
  /** Whether more is better; less, when unsaid. */
  moreIsBetter?: boolean;
  figure(figures: Figures): number;
  /** The target and whether it holds; undefined where it needs a peer that was not run. */
  judge(given: Given, commitMs: number): Verdict | undefined;
  pleachOnly?: boolean;
  /** How often it is run where the command line does not say; the medians are judged. */
  runs: number;
}

/** Rows that take seconds, and the two that take half a minute with the peers. */
const RUNS = { short: 5, recovery: 3 };
const TIMES_DBOS = 15;
const RECOVERY_ALLOWED_S = 0.3;

const figureOf =
  (name: string) =>
  (figures: Figures): number =>
    figures[name] ?? Number.NaN;

function atMost(value: number, limit: number, how: string): Verdict {
  return { target: `≤ ${limit.toPrecision(3)} (${how})`, holds: value <= limit };
}

function withinCommits(figure: (figures: Figures) => number, commits: number): Row['judge'] {
  return (given, commitMs) => atMost(figure(given['pleach']!), commits * commitMs, `${commits} commits`);
}

const recovered: Row['judge'] = (given) => {
  const ideal = figureOf('idealSeconds')(given['pleach']!);
  return atMost(
    figureOf('seconds')(given['pleach']!),
    ideal + RECOVERY_ALLOWED_S,
    `ideal ${ideal.toFixed(2)} + ${RECOVERY_ALLOWED_S}`,
  );
};

/** The rows of design.md section 8, but the first (PostgreSQL) and the last (a million sleepers). */
export const ROWS: readonly Row[] = [
  {
    name: 'throughput',
    runs: RUNS.short,
    title: `workflows of ${SIZES.stepsEach} steps, ${SIZES.workflows} after as many to warm up, ${SIZES.inFlight} in flight`,
    unit: '/s',
    moreIsBetter: true,
    figure: figureOf('perSecond'),
    judge(given) {
      if (!given['DBOS']) return undefined;
      const times = this.figure(given['pleach']!) / this.figure(given['DBOS']);
      return { target: `≥ ${TIMES_DBOS} × DBOS (is ${times.toFixed(1)} ×)`, holds: times >= TIMES_DBOS };
    },
  },
  {
    name: 'latency',
    runs: RUNS.short,
    title: 'start to result of one step, p50',
    unit: 'ms',
    figure: figureOf('p50'),
    judge: withinCommits(figureOf('p50'), 6),
  },
  {
    name: 'steps',
    runs: RUNS.short,
    title: 'one more sequential step',
    unit: 'ms',
    figure: figureOf('perStep'),
    judge: withinCommits(figureOf('perStep'), 2.5),
  },
  {
    name: 'signal',
    runs: RUNS.short,
    title: 'message to reply, p50',
    unit: 'ms',
    figure: figureOf('p50'),
    judge: withinCommits(figureOf('p50'), 6),
  },
  {
    name: 'fan-out',
    runs: RUNS.short,
    title: `${SIZES.parallelSteps} parallel steps`,
    unit: 's',
    figure: figureOf('seconds'),
    judge: (given) => atMost(figureOf('seconds')(given['pleach']!), 0.05, 'the design'),
  },
  {
    name: 'recovery',
    runs: RUNS.recovery,
    title: `SIGKILL half way through ${SIZES.recoveryRuns} runs of ${SIZES.recoverySteps} steps, restart to end`,
    unit: 's',
    figure: figureOf('seconds'),
    judge: recovered,
  },
  {
    name: 'recovery-after-outage',
    runs: RUNS.recovery,
    title: 'the same, after 5 s of outage',
    unit: 's',
    figure: figureOf('seconds'),
    judge: recovered,
  },
  {
    name: 'first',
    runs: RUNS.short,
    title: 'process start to first workflow completed',
    unit: 'ms',
    figure: figureOf('wallMs'),
    judge: (given) => atMost(figureOf('wallMs')(given['pleach']!), 300, 'the design'),
    pleachOnly: true,
  },
];
