import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort, type Server, until } from './ports.ts';

const START_TRIES = 600;

/** Starts one Restate server with its default options on ports of its own. */
export async function startRestate(): Promise<Server & { adminUrl: string }> {
  const require = createRequire(import.meta.url);
  const name = `@restatedev/restate-server-${process.platform}-${process.arch}`;
  const folder = dirname(
    createRequire(require.resolve('@restatedev/restate-server/package.json')).resolve(`${name}/package.json`),
  );
  const base = mkdtempSync(join(tmpdir(), 'pleach-bench-restate-'));
  const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()];
  const child = spawn(join(folder, 'bin/restate-server'), ['--base-dir', base, '--no-logo'], {
    cwd: base,
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      HOME: base,
      DO_NOT_TRACK: '1',
      RUST_LOG: 'error',
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
    },
  });
  const adminUrl = `http://127.0.0.1:${admin}`;
  const url = `http://127.0.0.1:${ingress}`;
  for (const at of [`${adminUrl}/health`, `${url}/restate/health`])
    await until(START_TRIES, 50, () => requireHealthy(at));
  return {
    url,
    adminUrl,
    process: child,
    async stop() {
      const gone = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await gone;
      rmSync(base, { recursive: true, force: true });
    },
  };
}

async function requireHealthy(url: string): Promise<void> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
}
