import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  commitFiles,
  git,
  someone,
  temporaryFolder,
  temporaryRepository,
  write,
} from '../../test/git/temporary-repository.ts';
import {
  branchRef,
  cloneRepository,
  commitTree,
  diffNames,
  type GitError,
  initRepository,
  loadCommandKeys,
  mergeTree,
  revParse,
  treeOf,
  updateRef,
  type ObjectId,
} from './index.ts';

/** A commit on top of another with the tree of a third, and no ref to it. */
async function commitOn(repository: string, parent: ObjectId, message: string): Promise<ObjectId> {
  const tree = await treeOf(git, { repository, revision: parent });
  return await commitTree(git, { repository, tree, parents: [parent], message, author: someone });
}

/** Two commits on one base, each with its own files. */
async function fork(base: Record<string, string>, ours: Record<string, string>, theirs: Record<string, string>) {
  const { repository, first } = await temporaryRepository(base);
  const left = await commitFiles(repository, ours);
  execFileSync('git', ['checkout', '-q', '--detach', first], { cwd: repository });
  const right = await commitFiles(repository, theirs);
  return { repository, first, ours: left, theirs: right };
}

test('a repository is made without templates and hooks', async () => {
  const repository = join(temporaryFolder(), '-odd name');
  await initRepository(git, { repository, isBare: true, branch: 'trunk' });
  expect(existsSync(join(repository, 'hooks'))).toBe(false);
  expect((await git.run(['symbolic-ref', 'HEAD'], { in: repository })).stdout).toBe('refs/heads/trunk\n');
});

test('a clone has objects of its own, and every kind has what it promises', async () => {
  const { repository: from, first } = await temporaryRepository();
  await updateRef(git, { repository: from, ref: 'refs/pleach/kept', to: first, expected: undefined });
  const root = temporaryFolder();
  for (const kind of ['mirror', 'bare', 'work'] as const) {
    await cloneRepository(git, { repository: join(root, kind), from, kind });
  }
  rmSync(from, { recursive: true });
  for (const kind of ['mirror', 'bare', 'work']) {
    expect(await revParse(git, { repository: join(root, kind), revision: 'main' })).toBe(first);
  }
  expect(await revParse(git, { repository: join(root, 'mirror'), revision: 'refs/pleach/kept' })).toBe(first);
  expect(await revParse(git, { repository: join(root, 'bare'), revision: 'refs/pleach/kept' })).toBeUndefined();
  expect(existsSync(join(root, 'work/readme.txt'))).toBe(true);
});

test('a source that would run a command is refused before git sees it', async () => {
  const folder = temporaryFolder();
  const canary = join(folder, 'canary');
  for (const from of [`ext::touch ${canary}`, `--upload-pack=touch ${canary}`, `-utouch ${canary}`]) {
    const clone = cloneRepository(git, { repository: join(folder, 'clone'), from, kind: 'bare' });
    await expect(clone).rejects.toMatchObject({ code: 'GIT_URL_REFUSED' });
  }
  expect(existsSync(canary)).toBe(false);
});

test('a revision is found, is absent, or is refused when it is an option', async () => {
  const { repository, first } = await temporaryRepository();
  expect(await revParse(git, { repository, revision: 'main' })).toBe(first);
  expect(await revParse(git, { repository, revision: 'absent' })).toBeUndefined();
  expect(await revParse(git, { repository, revision: 'main^' })).toBeUndefined();
  await expect(revParse(git, { repository, revision: '--git-dir' })).rejects.toMatchObject({
    code: 'GIT_NAME_REFUSED',
  });
  await expect(treeOf(git, { repository, revision: 'absent' })).rejects.toMatchObject({ code: 'GIT_NOT_FOUND' });
});

test('changed paths are listed whole, odd names included', async () => {
  const odd = 'a "quoted"\tname\nwith é';
  const { repository, first } = await temporaryRepository({ keep: '1', change: '1', drop: '1' });
  rmSync(join(repository, 'drop'));
  const second = await commitFiles(repository, { change: '2', [odd]: '1' });
  expect(await diffNames(git, { repository, from: first, to: second })).toEqual([
    { status: 'A', path: odd },
    { status: 'M', path: 'change' },
    { status: 'D', path: 'drop' },
  ]);
  expect(await diffNames(git, { repository, from: second, to: second })).toEqual([]);
});

test('the same commit twice has the same hash', async () => {
  const { repository, first } = await temporaryRepository();
  const message = 'subject\n\n-F /etc/passwd\n$(touch canary)\n';
  const commit = await commitOn(repository, first, message);
  expect(await commitOn(repository, first, message)).toBe(commit);
  const { stdout } = await git.run(['log', '-1', '--format=%an <%ae> %at%n%B', commit], { in: repository });
  expect(stdout).toBe(`Someone <someone@example.org> 1700000000\n${message}\n`);
  const author = { name: 'a\nparent x', email: 'e' };
  const tree = await treeOf(git, { repository, revision: first });
  const forged = commitTree(git, { repository, tree, parents: [], message, author });
  await expect(forged).rejects.toMatchObject({ code: 'GIT_NAME_REFUSED' });
});

test('a ref moves only from where the caller saw it', async () => {
  const { repository, first } = await temporaryRepository();
  const ref = branchRef('landing');
  const second = await commitOn(repository, first, 'second');
  await updateRef(git, { repository, ref, to: first, expected: undefined });
  await updateRef(git, { repository, ref, to: second, expected: first });
  const again = updateRef(git, { repository, ref, to: first, expected: first });
  await expect(again).rejects.toMatchObject({ code: 'GIT_REF_MOVED', details: { actual: second } });
  const create = updateRef(git, { repository, ref, to: first, expected: undefined });
  await expect(create).rejects.toMatchObject({ code: 'GIT_REF_MOVED', details: { actual: second } });
  const absent = updateRef(git, { repository, ref: branchRef('absent'), to: first, expected: first });
  const error = await absent.then(undefined, (reason: unknown) => reason as GitError);
  expect(error).toMatchObject({ code: 'GIT_REF_MOVED' });
  expect(error?.details).not.toHaveProperty('actual');
  await expect(updateRef(git, { repository, ref: 'main', to: first, expected: first })).rejects.toMatchObject({
    code: 'GIT_NAME_REFUSED',
  });
  expect(await revParse(git, { repository, revision: ref })).toBe(second);
});

test('of two that move a ref from the same place exactly one wins, and the other is told where it is', async () => {
  const { repository, first } = await temporaryRepository();
  const ref = branchRef('main');
  let at = first;
  for (let round = 0; round < 15; round += 1) {
    const next = await Promise.all(
      ['left', 'right', 'third'].map((side) => commitOn(repository, at, `${side} ${round}`)),
    );
    const outcomes = await Promise.allSettled(next.map((to) => updateRef(git, { repository, ref, to, expected: at })));
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
    const now = next[winner];
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue;
      expect(outcome.reason).toMatchObject({ code: 'GIT_REF_MOVED', details: { actual: now } });
    }
    expect(await revParse(git, { repository, revision: ref })).toBe(now);
    at = now ?? at;
  }
});

test('a ref whose lock another writer holds is busy, and stays where it is', async () => {
  const { repository, first } = await temporaryRepository();
  const second = await commitOn(repository, first, 'second');
  write(repository, { '.git/refs/heads/main.lock': '' });
  const move = updateRef(git, { repository, ref: branchRef('main'), to: second, expected: first });
  await expect(move).rejects.toMatchObject({ code: 'GIT_REF_BUSY' });
  expect(await revParse(git, { repository, revision: 'main' })).toBe(first);
});

test('a merge without conflict gives a tree with both sides, and moves nothing', async () => {
  const { repository, ours, theirs } = await fork({ a: '1\n' }, { b: '2\n' }, { c: '3\n' });
  const merged = await mergeTree(git, { repository, ours, theirs });
  if (merged.outcome !== 'merged') throw new Error('a conflict');
  const parents = [ours, theirs];
  const commit = await commitTree(git, { repository, tree: merged.tree, parents, message: 'merge', author: someone });
  expect((await diffNames(git, { repository, from: ours, to: commit })).map(({ path }) => path)).toEqual(['c']);
  expect(await revParse(git, { repository, revision: 'main' })).toBe(ours);
});

test('a merge with conflicts names each path and each kind', async () => {
  const odd = 'odd\nname';
  const { repository, ours, theirs } = await fork(
    { a: 'base\n', [odd]: 'base\n', same: 'base\n' },
    { a: 'ours\n', [odd]: 'ours\n', same: 'both\n', added: 'ours\n' },
    { a: 'theirs\n', [odd]: 'theirs\n', same: 'both\n', added: 'theirs\n' },
  );
  const merged = await mergeTree(git, { repository, ours, theirs });
  if (merged.outcome !== 'conflict') throw new Error('no conflict');
  expect(merged.paths).toEqual(['a', 'added', odd]);
  const conflicts = merged.notes.filter(({ kind }) => kind.startsWith('CONFLICT'));
  expect(conflicts.map(({ kind, paths }) => [kind, ...paths])).toEqual([
    ['CONFLICT (contents)', 'a'],
    ['CONFLICT (contents)', 'added'],
    ['CONFLICT (contents)', odd],
  ]);
});

test('histories without a common commit do not merge', async () => {
  const { repository, first } = await temporaryRepository();
  const tree = await treeOf(git, { repository, revision: first });
  const other = await commitTree(git, { repository, tree, parents: [], message: 'other', author: someone });
  await expect(mergeTree(git, { repository, ours: first, theirs: other })).rejects.toMatchObject({
    code: 'GIT_FAILED',
  });
});

test('a repository that names a merge driver is refused until the key is allowed', async () => {
  const { repository, ours, theirs } = await fork(
    { a: 'base\n', '.gitattributes': 'a merge=own\n' },
    { a: '1\n' },
    { a: '2\n' },
  );
  const canary = join(temporaryFolder(), 'canary');
  execFileSync('git', ['config', 'merge.own.driver', `touch ${canary}`], { cwd: repository });
  expect(await loadCommandKeys(git, { repository })).toEqual(['merge.own.driver']);
  await expect(mergeTree(git, { repository, ours, theirs })).rejects.toMatchObject({
    code: 'GIT_CONFIG_REFUSED',
    details: { keys: ['merge.own.driver'] },
  });
  expect(existsSync(canary)).toBe(false);
  await mergeTree(git, { repository, ours, theirs, allowedKeys: ['merge.own.driver'] });
  expect(existsSync(canary)).toBe(true);
});
