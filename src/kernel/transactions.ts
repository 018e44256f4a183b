import type { WireOutcome } from '../common/index.ts';
import type { Requests } from '../contract/index.ts';
import { LIMITS, messageOf, PleachError, type RunId } from '../core/index.ts';
import type { TxResultRow } from '../store/index.ts';
import type { Lending } from './journal.ts';
import type { LiveRun } from './live-run.ts';
import type { ActivityState } from './machine/state.ts';
import type { KernelNode } from './node.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Transactional activities and authors' other transactions, from the kernel's side: who may write to the database, and
 * which outcome of an activity counts.
 *
 * One transaction at a time has the database, between two commits of the journal, and says when it has ended. Where it
 * does not, the journal raises its epoch: what was begun under the old one is committed by then, or never.
 *
 * The outcome of an activity is a row under its key, written by its own transaction, or by this node when it gives the
 * activity up. While an activity is open here, no failure of it is taken before it is looked whether it was committed,
 * and none is final before it is written under the key.
 */
export class Transactions {
  readonly #node: KernelNode;
  /** Activities for which a transaction was allowed and whose result is not durable, by run. */
  readonly #open = new Map<RunId, Set<number>>();
  /** Activities whose outcome is being looked at. */
  readonly #looking = new Set<ActivityState>();
  readonly #lent = new Map<string, Lending>();
  #order = 0;

  constructor(node: KernelNode) {
    this.#node = node;
  }

  /** Lets someone write when it is its turn. @throws TOKEN_STALE where the attempt that asks is not current */
  async begin(
    params: Requests['begin-transaction']['params'],
    onForget: (forget: () => void) => void,
  ): Promise<Requests['begin-transaction']['answer']> {
    const node = this.#node;
    const lending = node.journal.lend(LIMITS.transactionGrantMs);
    // Who no longer waits for its turn has none; who has had it may be at work.
    onForget(() => lending.giveUp());
    await lending.begun;
    if (params.activity && !(await node.attempts.enterTransaction(params.activity.token))) {
      lending.end();
      throw new PleachError(
        'TOKEN_STALE',
        'the attempt is no longer current: its transaction was not begun, and nothing was changed',
        {},
      );
    }
    // No other node has one of this name: what is said of it late is said to nobody.
    const grant = `${node.id}/${++this.#order}`;
    this.#lent.set(grant, lending);
    void lending.ended.then(() => this.#lent.delete(grant));
    const { node: id, epoch } = node.journal.lease;
    return { grant, node: id, epoch };
  }

  /** A transaction has ended, one way or the other. */
  end(grant: string): void {
    this.#lent.get(grant)?.end();
  }

  /** Whether a transaction of the activity may have been committed. */
  isOpen(run: LiveRun, { seq }: ActivityState): boolean {
    return this.#open.get(run.id)?.has(seq) === true;
  }

  /** A transaction of the activity may be committed from here on. */
  opened(run: LiveRun, { seq }: ActivityState): void {
    const seqs = this.#open.get(run.id);
    if (seqs) seqs.add(seq);
    else this.#open.set(run.id, new Set([seq]));
    run.hasTxResults = true;
  }

  /** The activity's result is durable: its row goes with the next segment. */
  resolved(run: LiveRun, { seq, activityId }: ActivityState): void {
    const seqs = this.#open.get(run.id);
    if (!seqs?.delete(seq)) return;
    if (seqs.size === 0) this.#open.delete(run.id);
    run.txResultsDone.push(activityId);
  }

  /** The run is closed, and its rows have gone with it. */
  forget(run: LiveRun): void {
    this.#open.delete(run.id);
  }

  /**
   * Finds out which outcome of an activity counts. What is under way has ended by then.
   * @param own the outcome that it has where there is none yet; without one it is only looked
   * @param take given the outcome that counts, if there is one; not called where the run was given up meanwhile
   */
  look(
    run: LiveRun,
    activity: ActivityState,
    own: WireOutcome | undefined,
    take: (outcome: WireOutcome | undefined) => void,
  ): void {
    if (this.#looking.has(activity)) return;
    const node = this.#node;
    this.#looking.add(activity);
    const again = (error: unknown): void => {
      if (node.ended) return;
      node.log.error('the outcome of a transaction could not be read; it is tried again', {
        message: messageOf(error),
      });
      node.clock.after(LIMITS.taskRetryFirstMs, ask);
    };
    const read = (): void => {
      node.store.loadTxResults(run.id).then((rows) => {
        this.#looking.delete(activity);
        if (node.ended || run.dropped || run.state.activities.get(activity.seq) !== activity) return;
        take(outcomeOf(rows, activity));
      }, again);
    };
    // A commit, even of nothing, comes after the transaction that has the database now.
    const ask = (): void => {
      if (run.dropped) {
        this.#looking.delete(activity);
        return;
      }
      const body = own && encoder.encode(JSON.stringify(own));
      node.journal.append({
        partition: run.partition,
        segments: [],
        ...(body ? { txResults: [{ run: run.id, activityId: activity.activityId, body }] } : {}),
        durable: read,
        refused: again,
      });
    };
    ask();
  }
}

/** The outcome of an activity among the rows of its run. */
export function outcomeOf(rows: readonly TxResultRow[], { activityId }: ActivityState): WireOutcome | undefined {
  const row = rows.find((one) => one.activityId === activityId);
  return row && (JSON.parse(decoder.decode(row.body)) as WireOutcome);
}
