import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { commitFiles, git, temporaryFolder, temporaryRepository, write } from '../../test/git/temporary-repository.ts';
import { openGit } from './index.ts';

/** A program in git's place, to see from inside what the door hands over. */
function standIn(script: string, graceMs = 3_000) {
  const folder = temporaryFolder();
  write(folder, { program: `#!/bin/sh\n${script}\n` }, 0o755);
  return { folder, door: openGit({ program: join(folder, 'program'), graceMs }) };
}

test('git sees an environment made from nothing', async () => {
  vi.stubEnv('SECRET_CANARY', 'do not pass on');
  vi.stubEnv('GIT_DIR', '/elsewhere');
  const { door, folder } = standIn('env');
  const { stdout } = await door.run(['x'], { in: folder });
  vi.unstubAllEnvs();
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0] ?? '')
    .filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)); // the shell's own
  expect(names.toSorted()).toEqual([
    'GIT_ALLOW_PROTOCOL',
    'GIT_ASKPASS',
    'GIT_ATTR_NOSYSTEM',
    'GIT_CEILING_DIRECTORIES',
    'GIT_CONFIG_GLOBAL',
    'GIT_CONFIG_NOSYSTEM',
    'GIT_OPTIONAL_LOCKS',
    'GIT_SSH_COMMAND',
    'GIT_TERMINAL_PROMPT',
    'HOME',
    'LC_ALL',
    'PATH',
  ]);
});

test('arguments reach git as they are, whatever a shell would make of them', async () => {
  const { door, folder } = standIn('for a in "$@"; do printf "%s\\n" "$a"; done');
  const hostile = ['$(touch canary)', '; touch canary', '`touch canary`', '*', 'a b', ''];
  const { stdout } = await door.run(hostile, { in: folder });
  expect(stdout.split('\n').slice(-7, -1)).toEqual(hostile);
});

test('a monitor and hooks that the repository names are not run', async () => {
  const { repository } = await temporaryRepository();
  const canary = join(temporaryFolder(), 'canary');
  const script = `#!/bin/sh\ntouch ${canary}\n`;
  write(repository, { '.git/monitor': script }, 0o755);
  for (const hook of ['pre-commit', 'post-commit', 'post-checkout', 'reference-transaction', 'post-index-change']) {
    write(repository, { [`.git/hooks/${hook}`]: script }, 0o755);
  }
  execFileSync('git', ['config', 'core.fsmonitor', '.git/monitor'], { cwd: repository });
  await commitFiles(repository, { 'new.txt': 'new\n' });
  await git.run(['status'], { in: repository });
  expect(existsSync(canary)).toBe(false);
  execFileSync('git', ['status'], { cwd: repository });
  expect(existsSync(canary), 'the canary sings when git is run without the door').toBe(true);
});

test('a transport that runs commands is refused, also when the arguments ask for it', async () => {
  const { repository } = await temporaryRepository();
  const canary = join(temporaryFolder(), 'canary');
  const address = `ext::sh -c touch% ${canary}`;
  for (const ask of [[], ['-c', 'protocol.ext.allow=always'], ['-c', 'PROTOCOL.ext.ALLOW=always']]) {
    await expect(git.run([...ask, 'ls-remote', address], { in: repository })).rejects.toMatchObject({
      code: 'GIT_FAILED',
    });
  }
  expect(existsSync(canary)).toBe(false);
});

test('a folder without a repository is not found, also inside one', async () => {
  const { repository } = await temporaryRepository({ 'below/a.txt': 'a' });
  for (const folder of [temporaryFolder(), join(repository, 'below'), join(repository, 'absent')]) {
    await expect(git.run(['status'], { in: folder })).rejects.toMatchObject({ code: 'GIT_NOT_FOUND' });
  }
});

test('a machine without git is told so', async () => {
  const door = openGit({ searchPath: temporaryFolder() });
  await expect(door.run(['status'], { in: '/' })).rejects.toMatchObject({ code: 'GIT_MISSING' });
});

test('a failure keeps the arguments, the exit code and the last words, without credentials', async () => {
  const { door, folder } = standIn('echo "fatal: https://me:secret@example.org/ is down" >&2; exit 7');
  const run = door.run(['fetch', 'https://me:secret@example.org/'], { in: folder });
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  expect(error).toMatchObject({
    code: 'GIT_FAILED',
    details: {
      exitCode: 7,
      args: ['fetch', 'https://***@example.org/'],
      stderrTail: 'fatal: https://***@example.org/ is down',
    },
  });
  expect(`${JSON.stringify(error)} ${error?.stack}`).not.toContain('secret');
});

test('output beyond the limit stops git with an error', async () => {
  const { door, folder } = standIn('yes');
  const run = door.run(['x'], { in: folder, outputBytesMax: 100_000 });
  await expect(run).rejects.toMatchObject({ code: 'GIT_OUTPUT_TOO_LARGE' });
});

// The run ends only when nobody holds its output any more, so that it ends at all shows that the whole group is gone.
test.each([
  ['ends by itself', 'sleep 1000 & touch "$0.began"; wait', 60_000],
  ['is killed when it will not end', 'trap "" TERM; touch "$0.began"; while :; do sleep 1000; done', 50],
])('an aborted git %s, with its children', async (_, script, graceMs) => {
  const { door, folder } = standIn(script, graceMs);
  const abort = new AbortController();
  const run = door.run(['x'], { in: folder, signal: abort.signal });
  await vi.waitFor(() => expect(existsSync(join(folder, 'program.began'))).toBe(true), {
    timeout: 10_000,
    interval: 5,
  });
  abort.abort(new Error('enough'));
  await expect(run).rejects.toMatchObject({ code: 'GIT_ABORTED', cause: { message: 'enough' } });
  await expect(door.run(['x'], { in: folder, signal: abort.signal })).rejects.toMatchObject({ code: 'GIT_ABORTED' });
});
