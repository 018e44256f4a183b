import { PleachError } from '../../core/index.ts';
import type { Batch, CommitAnswer, Lease, Store } from '../../store/index.ts';
import type { Scheduler, SimProcess } from './scheduler.ts';

/** How often what goes wrong between a node and its store, 0 to 1. */
export interface StoreFaults {
  crashBefore: number;
  crashAfter: number;
  unknownBefore: number;
  unknownAfter: number;
  full: number;
  refused: number;
}

/** What is told of every commit that was written, whether or not its node hears of it. */
export interface Observer {
  acquired(lease: Lease): void;
  written(lease: Lease, batch: Batch): void;
  fault(kind: string): void;
  fail(invariant: string, message: string): void;
}

/** A store as a node of a simulated world sees it: slow, and failing where the seed says. */
export function faultyStore(
  store: Store,
  owner: SimProcess,
  scheduler: Scheduler,
  faults: () => StoreFaults,
  observer: Observer,
  crash: () => void,
): Store {
  const call = async <T>(name: string, work: () => Promise<T>, seen?: (answer: T) => void): Promise<T> => {
    await scheduler.delay(scheduler.between(0, 3), owner);
    const rate = faults();
    const isCommit = name === 'commit' || name === 'claim';
    if (scheduler.chance(rate.crashBefore)) {
      observer.fault('crash-before');
      scheduler.note(`${owner.name} dies before ${name}`);
      crash();
      return new Promise(() => undefined);
    }
    if (isCommit && scheduler.chance(rate.unknownBefore)) {
      observer.fault('unknown-before');
      scheduler.note(`${owner.name} finds ${name} unknown-before`);
      throw new PleachError('STORE_UNAVAILABLE', 'simulated: the connection broke before the commit', {});
    }
    if (name === 'commit' && scheduler.chance(rate.full)) {
      observer.fault('full');
      scheduler.note(`${owner.name} finds ${name} full`);
      throw new PleachError('STORE_FULL', 'simulated: the disk is full', {});
    }
    if (name === 'commit' && scheduler.chance(rate.refused)) {
      observer.fault('refused');
      scheduler.note(`${owner.name} finds ${name} refused`);
      throw new PleachError('UNEXPECTED', 'simulated: the commit was refused, and nothing of it was written', {});
    }
    const answer = await work().catch((error: unknown) => {
      // What the store itself refuses is a fault of ours: nothing in these worlds asks for it.
      if (store.isShared && error instanceof PleachError && error.code === 'UNEXPECTED')
        observer.fail('I3', `${owner.name}: ${error.message}`);
      throw error;
    });
    seen?.(answer);
    if (scheduler.chance(rate.crashAfter)) {
      observer.fault('crash-after');
      scheduler.note(`${owner.name} dies after ${name}`);
      crash();
      return new Promise(() => undefined);
    }
    if (isCommit && scheduler.chance(rate.unknownAfter)) {
      observer.fault('unknown-after');
      scheduler.note(`${owner.name} finds ${name} unknown-after`);
      throw new PleachError('STORE_UNAVAILABLE', 'simulated: the connection broke after the commit', {});
    }
    await scheduler.delay(scheduler.between(0, 3), owner);
    return answer;
  };
  return {
    identity: store.identity,
    isShared: store.isShared,
    acquire: (node, ttlMs, options) =>
      call(
        'acquire',
        () => store.acquire(node, ttlMs, options),
        (answer) => {
          if (answer.status === 'acquired') observer.acquired(answer.lease);
        },
      ),
    loadCluster: () => call('loadCluster', () => store.loadCluster()),
    claim: (lease, ttlMs, wanted, dead) => call('claim', () => store.claim(lease, ttlMs, wanted, dead)),
    reclaim: (lease, ttlMs) =>
      call(
        'reclaim',
        () => store.reclaim(lease, ttlMs),
        (answer) => answer && observer.acquired(answer.lease),
      ),
    commit: (lease, ttlMs, batch) =>
      call(
        'commit',
        () => store.commit(lease, ttlMs, batch),
        (answer: CommitAnswer) => {
          if (answer.status === 'committed') observer.written(lease, batch);
        },
      ),
    release: (lease) => call('release', () => store.release(lease)),
    findRuns: (keys) => call('findRuns', () => store.findRuns(keys)),
    loadSegments: (run, fromSeq, limit) => call('loadSegments', () => store.loadSegments(run, fromSeq, limit)),
    loadBlobs: (run, numbers) => call('loadBlobs', () => store.loadBlobs(run, numbers)),
    loadAttributes: (run) => call('loadAttributes', () => store.loadAttributes(run)),
    loadAttempts: (run) => call('loadAttempts', () => store.loadAttempts(run)),
    loadTxResults: (run) => call('loadTxResults', () => store.loadTxResults(run)),
    loadAwake: (options) => call('loadAwake', () => store.loadAwake(options)),
    nextWakeAt: (after, of) => call('nextWakeAt', () => store.nextWakeAt(after, of)),
    loadInbox: (limit, of) => call('loadInbox', () => store.loadInbox(limit, of)),
    loadHeads: (of) => call('loadHeads', () => store.loadHeads(of)),
    hint: (partitions) => store.hint(partitions),
    onHint: (listener) => store.onHint(listener),
    close: () => store.close(),
  };
}
