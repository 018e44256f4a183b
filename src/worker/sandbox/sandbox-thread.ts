import { parentPort } from 'node:worker_threads';
import type { Activation, ActivationResult } from '../../common/index.ts';
import type { FromKernel, ToKernel } from '../../contract/index.ts';
import { assert, systemClock } from '../../core/index.ts';
import { farHost } from './far-host.ts';
import { ActivationRunner } from './runner.ts';
import type { BeginSandbox, FromSandbox, RouteToSandbox, ToSandbox } from './sandboxes.ts';
import { Watched } from './watched.ts';

/** A sandbox's own thread: workflow code runs here and nothing else does. */
assert(parentPort, 'the sandbox thread is started as a worker thread');
const host = parentPort;
type Given = string | RouteToSandbox;
const early: Given[] = [];
/** What is done with a message: the first says what to run, and others may come before that is made. */
let take: (given: Given) => void = (given) => early.push(given);
const begin = await new Promise<BeginSandbox>((resolve) => {
  let isFirst = true;
  host.on('message', (given: unknown) => {
    if (isFirst) resolve(given as BeginSandbox);
    else take(given as Given);
    isFirst = false;
  });
});
const { bundle, maxCachedRuns, failureErrorTypes, watched } = begin;
const shared = new Watched(watched);
let waiting: FromSandbox[] = [];

function say(message: FromSandbox): void {
  waiting.push(message);
  if (waiting.length > 1) return;
  queueMicrotask(() => {
    const batch = waiting;
    waiting = [];
    host.postMessage(JSON.stringify(batch));
  });
}

const { localDone, ...own } = farHost(say);
let turning: Promise<void> | undefined;

const runner = new ActivationRunner({
  ...own,
  bundle,
  clock: systemClock,
  maxCachedRuns,
  failureErrorTypes,
  watch: (runId) => (runId === undefined ? shared.leave() : shared.enter(runId)),
  // All activations of one slice share a turn, and their results a message.
  turn: () => {
    turning ??= new Promise((resolve) => {
      setImmediate(() => {
        turning = undefined;
        resolve();
      });
    });
    return turning;
  },
});

/** How long activations are run one after another before their results are sent, in milliseconds. */
const SLICE_MS = 1;

/** An activation that stands in line, and who is told its result. */
interface InLine {
  activation: Activation;
  answer: (result: ActivationResult) => void;
}

let line: InLine[] = [];
let slicing = false;
let inHand = 0;
let quietAsked = false;

/** Runs what stands in line, a slice at a time: the kernel commits the first results while the next are made. */
function slice(): void {
  const until = systemClock.monotonicMs() + SLICE_MS;
  let done = 0;
  for (const { activation, answer } of line) {
    done++;
    void runner.run(activation).then((result) => {
      inHand--;
      answer(result);
      tellQuiet();
    });
    if (systemClock.monotonicMs() >= until) break;
  }
  line = line.slice(done);
  slicing = line.length > 0;
  if (slicing) setImmediate(slice);
}

function lineUp(activation: Activation, answer: InLine['answer']): void {
  inHand++;
  line.push({ activation, answer });
}

function tellQuiet(): void {
  if (!quietAsked || inHand > 0) return;
  quietAsked = false;
  say({ kind: 'quiet' });
}

/** Talks to the kernel's own thread from now on, for one worker. */
function route({ workerId, port }: RouteToSandbox): void {
  let results: ToKernel[] = [];
  port.on('message', (text: string) => {
    for (const message of JSON.parse(text) as FromKernel[]) {
      if (message.kind === 'evict') runner.evict(message.runId);
      else if (message.kind === 'activate') {
        const { runId, token } = message.activation;
        lineUp(message.activation, (result) => {
          results.push({ kind: 'activated', workerId, runId, token, result });
          if (results.length > 1) return;
          queueMicrotask(() => {
            port.postMessage(JSON.stringify(results));
            results = [];
          });
        });
      }
    }
    if (!slicing) slice();
  });
}

take = (given) => {
  if (typeof given !== 'string') {
    route(given);
    return;
  }
  for (const message of JSON.parse(given) as ToSandbox[]) {
    switch (message.kind) {
      case 'activate': {
        const { n } = message;
        lineUp(message.activation, (result) => say({ kind: 'result', n, result }));
        break;
      }
      case 'evict':
        runner.evict(message.runId);
        break;
      case 'quiet?':
        quietAsked = true;
        tellQuiet();
        break;
      case 'local-done':
        localDone(message.call, message.outcome);
        break;
    }
  }
  if (!slicing) slice();
};
for (const given of early) take(given);

say({ kind: 'ready' });
