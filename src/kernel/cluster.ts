import { LIMITS, messageOf, type NodeId, type Partition, PleachError, type Wait } from '../core/index.ts';
import type { Cluster as ClusterView, Member } from '../store/index.ts';
import type { KernelNode } from './node.ts';

/** Where a partition's owner is reached. */
export interface Route {
  node: NodeId;
  address: string;
}

/**
 * Which partitions this node owns, and where the others are.
 *
 * On a store that one node alone may work on, it owns all of them. On a shared one it looks about every so often: it
 * claims what is free or was a dead node's, up to its share; and what it has above its share it gives to the node that
 * has least, in a commit of its own journal. Nothing here decides whether a write may happen: that is the fence's
 * affair, and a partition changes hands only by the commit of its owner or after its owner was fenced as a whole.
 */
export class Cluster {
  readonly #node: KernelNode;
  /** Where other nodes reach this one; without it, it owns nothing. */
  readonly address: string | undefined;
  /** Whether no other node is there. */
  isAlone = true;
  readonly #lookMs: number;
  readonly #held = new Set<Partition>();
  /** Those of them that are this node's and not served yet: what lies in the store for this node is lined up first. */
  readonly #arriving = new Set<Partition>();
  /** Partitions that are on their way to another node: their runs take in nothing new and are not activated. */
  readonly #leaving = new Map<Partition, NodeId>();
  /** Those of them whose last entry is in the journal. */
  readonly #given = new Map<Partition, PromiseWithResolvers<void>>();
  /** Those whose last owner died with them: code of theirs may be what ended it. */
  readonly #abandoned = new Set<Partition>();
  #sorted: Partition[] | undefined;
  #view: ClusterView | undefined;
  #looking: Promise<void> | undefined;
  #timer: Wait | undefined;

  /** @param options.owned what the acquisition of the store has given */
  constructor(
    node: KernelNode,
    options: { owned: readonly Partition[]; wasAbandoned: boolean; address: string | undefined; ttlMs: number },
  ) {
    this.#node = node;
    this.address = options.address;
    this.#lookMs = Math.min(LIMITS.clusterLookMs, options.ttlMs / 4);
    for (const partition of options.owned) {
      this.#held.add(partition);
      if (options.wasAbandoned) this.#abandoned.add(partition);
    }
  }

  /** Partitions that this node owns, ascending. */
  get partitions(): readonly Partition[] {
    return (this.#sorted ??= [...this.#held].sort((a, b) => a - b));
  }

  /** Whether this node takes in what is for a partition. */
  serves(partition: Partition): boolean {
    return this.mayLoad(partition) && !this.#arriving.has(partition);
  }

  /** Whether a partition's runs may come into memory: from when it is this node's until it is on its way out. */
  mayLoad(partition: Partition): boolean {
    return this.#held.has(partition) && !this.#leaving.has(partition);
  }

  /** Whether this node writes to a partition: not any more once it is being given away. */
  owns(partition: Partition): boolean {
    return this.#held.has(partition) && !this.#given.has(partition);
  }

  isLeaving(partition: Partition): boolean {
    return this.#leaving.has(partition);
  }

  /** Whether a partition came from a node that died with it. */
  wasAbandoned(partition: Partition): boolean {
    return this.#abandoned.has(partition);
  }

  /** Where a partition is, as far as is known; undefined where it is on its way, or its owner is not reached. */
  routeOf(partition: Partition): Route | undefined {
    const owner = this.#view?.owners.get(partition);
    const member = owner === undefined ? undefined : this.#view!.members.find(({ node }) => node === owner);
    if (!member || member.node === this.#node.id || member.address === undefined) return undefined;
    return { node: member.node, address: member.address };
  }

  /** Whether another node that lives, as far as is known, is such a one. */
  isOther(isIt: (node: NodeId) => boolean): boolean {
    const view = this.#view;
    if (!view) return false;
    return view.members.some(
      (member) => member.node !== this.#node.id && !isDead(member, view.now) && isIt(member.node),
    );
  }

  /** Resolves when a partition that is being given away is given, or is this node's again; undefined for any other. */
  whenGiven(partition: Partition): Promise<void> | undefined {
    return this.#given.get(partition)?.promise;
  }

  /** Looks about for the first time, and every so often from then on. */
  async open(): Promise<void> {
    if (!this.#node.store.isShared) return;
    this.#node.store.onHint((partitions) => this.#hinted(partitions));
    await this.look();
    this.#lookLater();
  }

  close(): void {
    this.#timer?.clear();
  }

  #lookLater(): void {
    if (this.#node.ended) return;
    this.#timer = this.#node.clock.after(this.#lookMs, () => {
      void this.look().finally(() => this.#lookLater());
    });
  }

  #hinted(partitions: readonly Partition[] | undefined): void {
    const node = this.#node;
    if (node.ended) return;
    const mine = partitions?.filter((partition) => this.#held.has(partition)) ?? this.partitions;
    if (mine.length > 0) void node.inbox.look(mine);
    // A partition that is not ours is hinted at when it was given to us, or is free.
    if (!partitions || mine.length < partitions.length) void this.look();
  }

  /** Reads who is there and who owns what; takes and gives what follows from it. One look at a time. */
  look(): Promise<void> {
    return (this.#looking ??= this.#look()
      .catch((error: unknown) => {
        if (!this.#node.ended)
          this.#node.log.warn('the other nodes cannot be looked up', { message: messageOf(error) });
      })
      .finally(() => (this.#looking = undefined)));
  }

  async #look(): Promise<void> {
    const node = this.#node;
    if (node.ended || !node.journal.holds()) return;
    const view = await node.store.loadCluster();
    if (node.ended) return;
    this.#view = view;
    node.links.keep(view.members);
    // What waits at the door though nobody hinted at it.
    if (this.#held.size > 0) void node.inbox.look(this.partitions);
    this.isAlone = !view.members.some((member) => member.node !== node.id && !isDead(member, view.now));
    node.relays.follow();
    node.matcher.refresh();
    if (this.address === undefined) return;
    const dead = view.members
      .filter((member) => member.node !== node.id && isDead(member, view.now))
      .map((m) => m.node);
    const live = view.members.filter((member) => member.address !== undefined && !isDead(member, view.now));
    const total = node.store.identity.partitions;
    const share = Math.ceil(total / Math.max(1, live.length));
    const given: Partition[] = [];
    const free: Partition[] = [];
    const start = hashOf(node.id) % total;
    for (let i = 0; i < total; i++) {
      // Each node begins elsewhere, so that two survivors seldom want the same.
      const partition = ((start + i) % total) as Partition;
      if (this.#held.has(partition)) continue;
      const owner = view.owners.get(partition);
      if (owner === node.id) given.push(partition);
      else if (owner === undefined || dead.includes(owner)) free.push(partition);
    }
    const room = share - this.#held.size - given.length;
    // What was given to us is claimed too: only then does this node notice a store that is put back to before.
    const wanted = [...given, ...free.slice(0, Math.max(0, room))];
    if (wanted.length > 0) await this.#claim(wanted, dead, view);
    else if (room < 0) this.#giveAway(view, live, Math.floor(total / live.length));
  }

  async #claim(wanted: readonly Partition[], dead: readonly NodeId[], view: ClusterView): Promise<void> {
    const node = this.#node;
    const got = await node.journal.claim(wanted, dead);
    if (got.length === 0 || node.ended) return;
    const heads = await node.store.loadHeads(got);
    if (node.ended) return;
    let abandoned = 0;
    for (const partition of got) {
      node.journal.begin(partition, heads.get(partition) ?? 0);
      this.#held.add(partition);
      this.#arriving.add(partition);
      const owner = view.owners.get(partition);
      if (owner !== undefined && owner !== node.id) {
        this.#abandoned.add(partition);
        abandoned++;
      } else this.#abandoned.delete(partition);
      // The view is older than the claim.
      view.owners.set(partition, node.id);
    }
    this.#sorted = undefined;
    await node.inbox.lookThrough();
    for (const partition of got) this.#arriving.delete(partition);
    if (node.ended) return;
    node.log.info('partitions taken', { count: got.length, abandoned });
    node.taken(got, abandoned > 0);
  }

  // ---- giving away ----

  #giveAway(view: ClusterView, live: readonly Member[], fair: number): void {
    const counts = new Map(live.map((member) => [member.node, 0]));
    for (const owner of view.owners.values()) if (counts.has(owner)) counts.set(owner, counts.get(owner)! + 1);
    for (const to of this.#leaving.values()) counts.set(to, (counts.get(to) ?? 0) + 1);
    let spare = this.#held.size - this.#leaving.size - fair;
    const poor = live.filter((member) => member.node !== this.#node.id);
    const stays = this.partitions.filter((partition) => !this.#leaving.has(partition));
    // Those in which no attempt is under way go first: one that runs must be announced to the next owner.
    for (const partition of [...stays.filter((p) => this.#isQuiet(p)), ...stays.filter((p) => !this.#isQuiet(p))]) {
      if (spare <= 0) return;
      const to = poor.find((member) => counts.get(member.node)! < fair)?.node;
      if (to === undefined) return;
      counts.set(to, counts.get(to)! + 1);
      spare--;
      this.#leave(partition, to);
    }
  }

  /** Whether no attempt of a partition's runs is under way. */
  #isQuiet(partition: Partition): boolean {
    for (const run of this.#node.runs.values())
      if (run.partition === partition && this.#node.attempts.isAnyUnderWay(run)) return false;
    return true;
  }

  /** From here on its runs are not activated; jobs that come are made durable, and requests go to the next owner. */
  #leave(partition: Partition, to: NodeId): void {
    this.#leaving.set(partition, to);
    this.#giveWhenStill(partition, to);
  }

  #giveWhenStill(partition: Partition, to: NodeId): void {
    const node = this.#node;
    if (node.ended) return;
    let isStill = true;
    for (const run of node.runs.values()) {
      if (run.partition !== partition) continue;
      // What was being committed when it was told to quit has come to its end by now, or will.
      node.activations.quit(run);
      isStill &&=
        !run.committing && !run.activating && run.arrived.length === 0 && !run.unwritten && run.reservations.size === 0;
    }
    if (!isStill || node.isLoading(partition)) {
      node.clock.after(LIMITS.leaveLookMs, () => this.#giveWhenStill(partition, to));
      return;
    }
    const given = Promise.withResolvers<void>();
    this.#given.set(partition, given);
    node.journal.append({
      partition,
      segments: [],
      given: [{ partition, to }],
      durable: () => {
        this.#held.delete(partition);
        this.#given.delete(partition);
        this.#leaving.delete(partition);
        this.#abandoned.delete(partition);
        this.#sorted = undefined;
        this.#view?.owners.set(partition, to);
        node.leftBehind(partition);
        given.resolve();
        node.store.hint([partition]);
      },
      refused: (error) => {
        node.log.error('a partition could not be given away', { partition, message: error.message });
        this.#given.delete(partition);
        this.#leaving.delete(partition);
        given.resolve();
        for (const run of node.runs.values()) if (run.partition === partition) node.activations.pump(run);
      },
    });
  }
}

/** What a node says of a partition that it does not serve; whoever asked asks its owner. */
export function partitionMoved(partition: Partition): PleachError {
  return new PleachError('PARTITION_MOVED', `partition ${partition} has another owner`, { partition });
}

function isDead(member: Member, now: number): boolean {
  return member.isGone || member.until <= now;
}

function hashOf(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) >>> 0;
  return hash;
}
