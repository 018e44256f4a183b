import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyModel, ModelData, ModelStore, SqliteStore, type Store } from '../../src/store/index.ts';
import { exerciseStore } from './exercise-store.ts';

exerciseStore('ModelStore', (clock) => {
  let data = new ModelData();
  let copy: ModelData | undefined;
  return {
    open: () => new ModelStore(data, clock),
    copy() {
      copy = copyModel(data);
    },
    putBack() {
      data = copy!;
    },
    dispose: () => undefined,
  };
});

exerciseStore('SqliteStore', (clock) => {
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
});
