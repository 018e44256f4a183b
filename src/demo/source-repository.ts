import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commitAll, initRepository, openGit, revParse } from '../vcs/index.ts';

/** A repository to clone, and whether it had to be made. */
export interface SourceRepository {
  /** Its folder, an absolute path. */
  readonly repository: string;
  readonly isGenerated: boolean;
}

/**
 * Finds the repository that the demonstration clones: the given checkout, or a small one made for it where that is no
 * checkout, has no commit, or is one that git will not read (another user's, say).
 * @param root where a checkout may be
 * @param folder where one is made otherwise
 */
export async function openSource(root: string, folder: string): Promise<SourceRepository> {
  const git = openGit();
  const head = existsSync(join(root, '.git'))
    ? await revParse(git, { repository: root, revision: 'HEAD' }).catch(() => undefined) // unreadable: one is made
    : undefined;
  if (head !== undefined) return { repository: root, isGenerated: false };
  const repository = join(folder, 'source');
  mkdirSync(repository);
  await initRepository(git, { repository });
  writeFileSync(join(repository, 'README.md'), '# A repository for the demonstration\n');
  const author = { name: 'pleach demo', email: 'demo@pleach.invalid' };
  await commitAll(git, { repository, worktree: repository, message: 'Begin\n', author });
  return { repository, isGenerated: true };
}
