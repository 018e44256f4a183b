import { appendFileSync, readdirSync, readFileSync } from 'node:fs';

/** What a peer's process prints of one scenario: plain figures, milliseconds unless the name says otherwise. */
export type Figures = Record<string, number>;

/** How a system is driven; every peer implements it with its own client and default options. */
export interface Peer {
  /** Runs a workflow of sequential steps that do nothing, and waits for its result. */
  sequence(id: string, steps: number): Promise<void>;
  /** Runs one workflow of parallel steps that do nothing. */
  fanOut(id: string, steps: number): Promise<void>;
  /** Begins a workflow that answers signals; gives a function that sends one and waits for its answer. */
  conversation(id: string): Promise<(n: number) => Promise<void>>;
  /** Begins a workflow of steps of some milliseconds, and returns when it is accepted. */
  beginSlow(id: string, steps: number): Promise<void>;
  /** Waits for its result, whichever process began it. */
  slowResult(id: string): Promise<void>;
  /** Counters of the system's own, where it has some: commits, syncs. */
  counters?(): Promise<Figures>;
  close(): Promise<void>;
}

/** The scenarios, each a run of one process. */
export const SCENARIOS = [
  'throughput',
  'latency',
  'steps',
  'signal',
  'fan-out',
  'recovery-begin',
  'recovery-end',
  'first',
] as const;
/** The name of one. */
export type Scenario = (typeof SCENARIOS)[number];

/** The sizes that design.md section 8 names. */
export const SIZES = {
  workflows: 2_000,
  /** Run first and not counted, with every system alike: a rate is that of a process that has been up for some seconds. */
  warmUp: 2_000,
  inFlight: 200,
  stepsEach: 3,
  /** The same for what is timed one by one. */
  warmUpRounds: 500,
  latencyRounds: 300,
  sequentialSteps: 500,
  signalRounds: 200,
  parallelSteps: 500,
  fanOutRounds: 5,
  recoveryRuns: 500,
  recoverySteps: 5,
  stepMs: 20,
} as const;

let gate: Promise<void> = Promise.resolve();

/** What a slow step does: waits at the gate, then its time, then writes a line that outlives the process. */
export async function slowStep(id: string, step: number): Promise<void> {
  await gate;
  await new Promise((done) => setTimeout(done, SIZES.stepMs));
  const ledger = process.env['BENCH_LEDGER'];
  if (ledger) appendFileSync(ledger, `${id} ${step}\n`);
}

/** Runs one scenario and prints its figures as the last line of standard output. */
export async function runScenario(peer: Peer, scenario: Scenario): Promise<void> {
  const figures = await scenarios[scenario](peer);
  process.stdout.write(`\nFIGURES ${JSON.stringify(figures)}\n`);
  await peer.close();
}

const tag = `${process.pid}-${Date.now().toString(36)}`;

const scenarios: Record<Scenario, (peer: Peer) => Promise<Figures>> = {
  async throughput(peer) {
    // Compilers, pools and caches warm up outside the figures, with every peer.
    await together(SIZES.warmUp, SIZES.inFlight, (i) => peer.sequence(`warm-${tag}-${i}`, SIZES.stepsEach));
    const before = await peer.counters?.();
    const threads = threadCpuNanos();
    const cpu = process.cpuUsage();
    const beganAtMicros = monotonicMicros();
    const latencies: number[] = [];
    const begun = performance.now();
    await together(SIZES.workflows, SIZES.inFlight, async (i) => {
      const at = performance.now();
      await peer.sequence(`run-${tag}-${i}`, SIZES.stepsEach);
      latencies.push(performance.now() - at);
    });
    const tookMs = performance.now() - begun;
    const endedAtMicros = monotonicMicros();
    const used = process.cpuUsage(cpu);
    const hottestNanos = Math.max(
      0,
      ...threadCpuNanos()
        .entries()
        .map(([id, nanos]) => nanos - (threads.get(id) ?? 0)),
    );
    const after = await peer.counters?.();
    const perWorkflow: Figures = {};
    for (const [name, value] of Object.entries(after ?? {}))
      perWorkflow[`${name}PerWorkflow`] = (value - (before?.[name] ?? 0)) / SIZES.workflows;
    return {
      perSecond: SIZES.workflows / (tookMs / 1000),
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      appCpuMsPerWorkflow: (used.user + used.system) / 1000 / SIZES.workflows,
      ...(hottestNanos > 0 ? { hottestThreadMicrosPerWorkflow: hottestNanos / 1000 / SIZES.workflows } : {}),
      beganAtMicros,
      endedAtMicros,
      ...perWorkflow,
    };
  },
  async latency(peer) {
    const latencies = await oneByOne(SIZES.latencyRounds, (i) => peer.sequence(`lat-${tag}-${i}`, 1));
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
  },
  async steps(peer) {
    await peer.sequence(`warm-${tag}`, 50);
    const rounds = await oneByOne(3, (i) => peer.sequence(`seq-${tag}-${i}`, SIZES.sequentialSteps), 0);
    return { perStep: percentile(rounds, 0.5) / SIZES.sequentialSteps };
  },
  async signal(peer) {
    const say = await peer.conversation(`talk-${tag}`);
    const latencies = await oneByOne(SIZES.signalRounds, say);
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
  },
  async 'fan-out'(peer) {
    const rounds = await oneByOne(SIZES.fanOutRounds, (i) => peer.fanOut(`fan-${tag}-${i}`, SIZES.parallelSteps), 2);
    return { seconds: percentile(rounds, 0.5) / 1000 };
  },
  async 'recovery-begin'(peer) {
    const opened = Promise.withResolvers<void>();
    gate = opened.promise;
    await together(SIZES.recoveryRuns, 50, (i) => peer.beginSlow(`slow-${i}`, SIZES.recoverySteps));
    opened.resolve();
    process.stdout.write('\nACCEPTED\n');
    await together(SIZES.recoveryRuns, SIZES.recoveryRuns, (i) => peer.slowResult(`slow-${i}`));
    return {};
  },
  async 'recovery-end'(peer) {
    await together(SIZES.recoveryRuns, SIZES.recoveryRuns, (i) => peer.slowResult(`slow-${i}`));
    return {};
  },
  async first(peer) {
    await peer.sequence(`first-${tag}`, 1);
    return { processMs: performance.now() };
  },
};

/** The clock that a CPU profile is stamped with. */
function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** What each thread of this process has used, in nanoseconds, by its id. Linux only; empty elsewhere. */
function threadCpuNanos(): Map<string, number> {
  const used = new Map<string, number>();
  if (process.platform !== 'linux') return used;
  for (const id of readdirSync('/proc/self/task')) {
    try {
      used.set(id, Number(readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8').split(' ')[0]));
    } catch {
      // It ended between the two looks.
    }
  }
  return used;
}

/** Runs `work` for 0…n-1, at most `inFlight` at once. */
async function together(n: number, inFlight: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < n) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(n, inFlight) }, lane));
}

/** Times `work` once after another, after some rounds that do not count. */
async function oneByOne(
  rounds: number,
  work: (i: number) => Promise<void>,
  warmUp: number = SIZES.warmUpRounds,
): Promise<number[]> {
  const latencies: number[] = [];
  for (let i = -warmUp; i < rounds; i++) {
    const at = performance.now();
    await work(i + warmUp);
    if (i >= 0) latencies.push(performance.now() - at);
  }
  return latencies;
}

/** The value below which the given share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
