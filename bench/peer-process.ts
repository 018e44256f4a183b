import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Figures, Scenario } from './peers/measure.ts';

/** How one peer's programs are started. */
export interface PeerProgram {
  name: string;
  file: string;
  cwd: string;
  env: Record<string, string>;
  /** The peer's server, whose CPU counts as the workflow's too; none where all of it is the program. */
  server?: ChildProcess;
}

const SCENARIO_MS_MAX = 180_000;

/** Runs one scenario in a process of its own and gives its figures. */
export async function runPeer(
  program: PeerProgram,
  scenario: Scenario,
  more: { env?: Record<string, string>; nodeArgs?: string[]; started?: (child: ChildProcess) => void } = {},
): Promise<Figures> {
  const serverCpu = cpuMs(program.server);
  const begun = performance.now();
  const child = spawn(process.execPath, [...(more.nodeArgs ?? []), program.file, scenario], {
    cwd: program.cwd,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...program.env, ...more.env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: SCENARIO_MS_MAX,
  });
  more.started?.(child);
  let output = '';
  let toldAfterMs: number | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes('\nFIGURES ')) toldAfterMs ??= performance.now() - begun;
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((done, failed) => {
    child.once('error', failed);
    child.once('close', (...end) => done(end));
  });
  const line = /^FIGURES (.*)$/m.exec(output)?.[1];
  if (line === undefined || toldAfterMs === undefined) {
    throw new Error(`${program.name} gave no figures for ${scenario} (exit ${code ?? signal}): ${output.slice(-2000)}`);
  }
  const figures = JSON.parse(line) as Figures;
  const used = cpuMs(program.server);
  if (used !== undefined && serverCpu !== undefined) figures['serverCpuMs'] = used - serverCpu;
  return { ...figures, wallMs: toldAfterMs };
}

/** User and system time of a process and of those that it started, in milliseconds. Linux only. */
function cpuMs(server: ChildProcess | undefined): number | undefined {
  if (server?.pid === undefined || process.platform !== 'linux') return undefined;
  let ticks = 0;
  for (const pid of [server.pid, ...childrenOf(server.pid)]) ticks += ticksOf(pid);
  return ticks * 10;
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    // It has ended, and what it used is counted with its parent.
    return [];
  }
}

/** Its own, and that of its children which have ended. */
function ticksOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0);
  } catch {
    return 0; // ended, as above
  }
}
