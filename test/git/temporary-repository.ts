/** Real repositories in temporary folders, for every test that needs git. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { commitAll, initRepository, openGit, type Identity, type ObjectId } from '../../src/vcs/index.ts';

/** The git that tests use. */
export const git = openGit();

/** Who made the commits of tests, at a fixed instant: the same content has the same hash in every run. */
export const someone: Identity = { name: 'Someone', email: 'someone@example.org', atMs: 1_700_000_000_000 };

/** Makes an empty folder by its real path, gone when the test is over. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'pleach-git-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files below a folder, making the folders between; text by path. */
export function write(folder: string, files: Record<string, string>, mode = 0o644): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode });
  }
}

/** Makes a repository with a checkout of `main` and one commit of the given files. */
export async function temporaryRepository(
  files: Record<string, string> = { 'readme.txt': 'hello\n' },
): Promise<{ repository: string; first: ObjectId }> {
  const repository = temporaryFolder();
  await initRepository(git, { repository });
  return { repository, first: await commitFiles(repository, files) };
}

/** Writes files into a checkout and commits them. */
export async function commitFiles(checkout: string, files: Record<string, string>): Promise<ObjectId> {
  write(checkout, files);
  const message = `change ${Object.keys(files).join(', ')}`;
  const commit = await commitAll(git, { repository: checkout, worktree: checkout, message, author: someone });
  if (commit === undefined) throw new Error('the files change nothing');
  return commit;
}
