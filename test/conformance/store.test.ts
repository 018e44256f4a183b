import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/core/index.ts';
import { copyModel, ModelData, ModelStore, SqliteStore, type Store } from '../../src/store/index.ts';
import { exerciseShared } from './exercise-shared.ts';
import { exerciseSoleLease } from './exercise-sole-lease.ts';
import { ALL, exerciseStore, type World } from './exercise-store.ts';

function modelWorld(clock: Clock, isShared: boolean): World {
  let data = new ModelData();
  let copy: ModelData | undefined;
  return {
    open: () => new ModelStore(data, clock, ALL.length, { isShared }),
    die: (_store, node) => void data.gone.add(node),
    copy() {
      copy = copyModel(data);
    },
    putBack() {
      data = copy!;
    },
    dispose: () => undefined,
  };
}

function sqliteWorld(clock: Clock): World {
  const folder = mkdtempSync(join(tmpdir(), 'pleach-store-'));
  const live = join(folder, 'live');
  const aside = join(folder, 'aside');
  const opened: Store[] = [];
  return {
    open() {
      const store = new SqliteStore(join(live, 'a.db'), clock);
      opened.push(store);
      return store;
    },
    copy: () => cpSync(live, aside, { recursive: true }),
    putBack() {
      for (const name of readdirSync(live)) rmSync(join(live, name));
      cpSync(aside, live, { recursive: true });
    },
    dispose() {
      for (const store of opened) void store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

exerciseStore('ModelStore', (clock) => modelWorld(clock, false));
exerciseSoleLease('ModelStore', (clock) => modelWorld(clock, false));

exerciseStore('ModelStore, shared', (clock) => modelWorld(clock, true));
exerciseShared('ModelStore, shared', (clock) => modelWorld(clock, true));

exerciseStore('SqliteStore', sqliteWorld);
exerciseSoleLease('SqliteStore', sqliteWorld);
