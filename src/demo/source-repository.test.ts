import { expect, test } from 'vitest';
import { git, temporaryFolder, temporaryRepository } from '../../test/git/temporary-repository.ts';
import { initRepository, revParse } from '../vcs/index.ts';
import { openSource } from './source-repository.ts';

test('a checkout with a commit is what is cloned', async () => {
  const { repository } = await temporaryRepository();
  expect(await openSource(repository, temporaryFolder())).toEqual({ repository, isGenerated: false });
});

test.each(['no checkout', 'a checkout without a commit'])('where there is %s, a repository is made', async (kind) => {
  const root = temporaryFolder();
  if (kind !== 'no checkout') await initRepository(git, { repository: root });
  const { repository, isGenerated } = await openSource(root, temporaryFolder());
  expect(isGenerated).toBe(true);
  expect(await revParse(git, { repository, revision: 'HEAD' })).toMatch(/^[0-9a-f]{40}$/);
});
