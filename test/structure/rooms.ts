/**
 * The map of the source, written once. Each row is a room: a folder under src/ with one subject and one door. A room
 * imports only from lower floors, through the neighbour's door; each power over the world has named owners, and everyone
 * else is handed it. `check-structure.ts` holds the source to this table, and ARCHITECTURE.md prints it.
 *
 * To add a room: a row here, a folder with an `index.ts` that opens with a comment of 10 to 60 lines, and
 * `UPDATE_ROOMS=1 npm test -- test/structure` for ARCHITECTURE.md.
 */

/** One room: where it stands and what it may see. */
export interface Room {
  readonly name: string;
  /** Imports point strictly downward: a room sees only rooms on lower floors. */
  readonly floor: number;
  /** Whether the published package exports it as a subpath. */
  readonly isPublic: boolean;
  readonly what: string;
  /** The folder, from the repository's root; `src/<name>` unless given. */
  readonly folder?: string;
  /** The one file others may import, which also opens the room with its comment; `index.ts` unless given, false for none. */
  readonly door?: string | false;
  /** Runs where there is no Node (the sandbox, a browser): imports nothing from `node:`. */
  readonly isPure?: boolean;
  /** If given, the only rooms it may import, whatever the floors allow. */
  readonly sees?: readonly string[];
  /** The design has it and the disk may not have it yet. */
  readonly isPlanned?: boolean;
}

const room = (
  floor: number,
  name: string,
  what: string,
  more: Partial<Omit<Room, 'floor' | 'name' | 'what'>> = {},
): Room => ({
  floor,
  name,
  what,
  isPublic: false,
  ...more,
});
const planned = { isPlanned: true } as const;
const open = { isPublic: true, isPlanned: true } as const;

/** Every room there is or is going to be, from the ground up. */
export const rooms: readonly Room[] = [
  room(0, 'core', 'ids, error codes, limits; the clock, random and log ports', planned),
  room(
    0,
    'common',
    'what authors share: failures, retry policy, durations, payload converters and codecs, search-attribute keys',
    {
      ...open,
      isPure: true,
    },
  ),
  room(1, 'contract', 'wire schemas, route table, event catalogue; safe in a browser', { ...planned, isPure: true }),
  room(1, 'workflow', 'what workflow authors import; deterministic', { ...open, isPure: true }),
  room(1, 'activity', 'what activity authors import', open),
  room(1, 'store', "the `Database` provider and the kernel's `Store` port; SQLite and PostgreSQL; migrations", planned),
  room(2, 'vcs', 'git, which one file spawns, and forges: GitHub, GitLab, Gitea, plain git'),
  room(2, 'policy', 'rules as code: input to decision and trace; constraints; overrides', planned),
  room(2, 'authz', 'relationship tuples: model, check, list', planned),
  room(
    3,
    'kernel',
    'the machine (pure: history + event to commands), partitions, journal, inbox, timers, matching, recovery',
    planned,
  ),
  room(3, 'events', 'stream, cursors, subscriptions, brokers', planned),
  room(4, 'client', 'start, signal, query, update, list, schedules, operator commands, over a port', open),
  room(4, 'worker', 'the sandbox, replay, activity execution, over a port', open),
  room(5, 'webhooks', 'endpoints, signing, delivery, dead letters, inbound verification', planned),
  room(5, 'dag', 'manifest to checked plan to interpreter', planned),
  room(6, 'fleet', 'agents, worktrees, merge queue', planned),
  room(7, 'engine', 'opens a node on an address with everything in it: wiring lives here', planned),
  room(8, 'server', 'HTTP and server-sent events over an engine', planned),
  room(8, 'web', 'the React app', { ...planned, folder: 'web', door: false, sees: ['contract'] }),
  room(8, 'testing', 'simulator, virtual clock, fault injection, time-skipping environment', open),
  room(9, 'cli', 'the `pleach` command; `--help` stays instant', planned),
  room(9, 'entry', 'the public entry files, one for each exported subpath', { door: false }),
  room(9, 'demo', 'the demonstration that `npm start` runs', { door: 'main.ts' }),
];

/** What code can do to the world beyond computing. */
export type Power = 'clock' | 'random' | 'processes' | 'sql' | 'sockets' | 'stdout' | 'threads' | 'vm';

/**
 * Who may use each power directly: a path ending in `/` is a folder, any other is one file. Tests are free of this.
 * Widening a list is a design decision: first see whether the room can be handed the power instead.
 */
export const powerOwners: Record<Power, readonly string[]> = {
  // In src/workflow/ `Date`, `Math.random` and `setTimeout` are the sandbox's own, deterministic ones.
  // In git.ts a stopped git has a grace before it is killed: the process is real and so is its time.
  // realm-globals.ts makes the sandbox's own clock and timers.
  clock: ['src/core/', 'src/worker/sandbox/realm-globals.ts', 'src/workflow/', 'src/vcs/git.ts', 'web/'],
  random: ['src/core/', 'src/workflow/', 'web/'],
  // The demonstration starts the engine's process again after it has ended itself.
  // Workflow code that may make V8 abort runs in a process of its own.
  processes: ['src/vcs/git.ts', 'src/core/exec.ts', 'src/demo/main.ts', 'src/worker/sandbox/quarantine.ts'],
  sql: ['src/store/sqlite/', 'src/store/postgres/'],
  sockets: [
    'src/store/postgres/',
    'src/vcs/github/',
    'src/vcs/gitlab/',
    'src/vcs/gitea/',
    'src/policy/opa/',
    'src/authz/openfga/',
    'src/authz/spicedb/',
    'src/events/brokers/',
    'src/client/',
    'src/worker/',
    'src/webhooks/',
    'src/engine/',
    'src/server/',
    'web/',
  ],
  stdout: ['src/core/log.ts', 'src/cli/', 'src/entry/cli.ts', 'src/demo/'],
  threads: ['src/worker/', 'src/engine/', 'src/store/sqlite/'],
  vm: ['src/worker/sandbox/'],
};

/** An import that the floors or doors forbid and that is right all the same. */
export interface Exception {
  /** The importing file or folder (ending in `/`). */
  readonly from: string;
  /** The imported file or folder (ending in `/`). */
  readonly to: string;
  readonly reason: string;
}

/** Every such import, with its reason. */
export const exceptions: readonly Exception[] = [
  {
    from: 'src/testing/simulator/workflows.ts',
    to: 'src/entry/workflow.ts',
    reason: 'what the simulator runs is ordinary workflow code, written as a user writes it',
  },
  {
    from: 'src/demo/',
    to: 'src/entry/',
    reason: 'the demonstration is written as a user writes: against the public entries',
  },
  {
    from: 'src/entry/cli.ts',
    to: 'src/cli/index.ts',
    reason: "the command's file is an entry: it checks the Node version, then opens the command on its own floor",
  },
];

/** The folder of a room, from the repository's root, without a slash at its end. */
export function folderOf(room: Room): string {
  return room.folder ?? `src/${room.name}`;
}

/** The table as ARCHITECTURE.md prints it between its markers. */
export function renderRooms(): string {
  const lines = rooms.map((row) => {
    const powers = Object.entries(powerOwners)
      .filter(([, owners]) => owners.some((owner) => owner.startsWith(`${folderOf(row)}/`)))
      .map(([power]) => power);
    const name = `\`${row.folder === undefined ? row.name : `${row.folder}/`}\`${row.isPublic ? ' (public)' : ''}`;
    return `| ${row.floor} | ${name} | ${row.what} | ${powers.join(', ')} |`;
  });
  return ['| floor | room | what it is | powers |', '|---|---|---|---|', ...lines].join('\n');
}
