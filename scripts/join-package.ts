import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { compileOwnModules, OWN_MODULES_FILE } from '../src/worker/sandbox/own-modules.ts';

/** How a joined file finds the one that knows where the package lies: a name of the package's own. */
export const PLACE = '#place';

/** First files of threads and processes. They share nothing with whoever starts them but messages: each is whole. */
const STARTED = ['engine/kernel-thread', 'worker/sandbox/sandbox-thread', 'worker/sandbox/quarantine-process'];

/** What is bundled with workflow code in the user's process, and is not among the compiled modules. */
const BUNDLED = ['testing/assertion-interceptors'];

/**
 * Joins the compiled modules of a package into a few files. A process that starts reads one file in a few milliseconds
 * and two hundred in two hundred; three threads start for the first workflow.
 * @param lib the folder that tsc has written
 * @param entries names of the public entries; each becomes `node/<name>.js`, with shared parts beside it
 */
export async function joinPackage(lib: string, entries: readonly string[]): Promise<void> {
  const common: BuildOptions = {
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    legalComments: 'none',
    plugins: [placePlugin(lib)],
    logLevel: 'warning',
  };
  await build({
    ...common,
    entryPoints: entries.map((name) => join(lib, 'entry', `${name}.js`)),
    outdir: join(lib, 'node'),
    splitting: true,
    chunkNames: 'shared-[hash]',
  });
  writeFileSync(join(lib, OWN_MODULES_FILE), JSON.stringify(await compileOwnModules(lib, '.js')));
  const kept = new Set(BUNDLED.map((name) => join(lib, `${name}.js`)));
  kept.add(join(lib, 'core/place.js'));
  await build({
    ...common,
    entryPoints: STARTED.map((name) => join(lib, `${name}.js`)),
    outdir: lib,
    outbase: lib,
    allowOverwrite: true,
  });
  for (const name of STARTED) kept.add(join(lib, `${name}.js`));
  removeJoined(lib, kept);
  requireFound(lib);
}

/** Fails where a joined file asks for one that is not in the package. */
function requireFound(lib: string): void {
  for (const name of readdirSync(lib, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue;
    for (const [, path] of readFileSync(join(lib, name), 'utf8').matchAll(/\bsourceFile\(["']([^"']+)["']\)/g))
      if (!existsSync(join(lib, `${path}.js`))) throw new Error(`${name} starts ${path}, which the package lacks`);
  }
}

/** Removes the modules that have gone into joined files; their declarations stay. */
function removeJoined(lib: string, kept: ReadonlySet<string>): void {
  for (const name of readdirSync(lib, { recursive: true, encoding: 'utf8' })) {
    const path = join(lib, name);
    if (name.startsWith(`node${sep}`) || !/\.js(\.map)?$/.test(name)) continue;
    if (!kept.has(path.replace(/\.map$/, ''))) rmSync(path);
  }
}

/** Leaves out the one file that must lie where it lies. */
function placePlugin(lib: string): Plugin {
  return {
    name: 'place',
    setup(build) {
      build.onResolve({ filter: /\/place\.js$/ }, ({ path, resolveDir }) =>
        join(resolveDir, path) === join(lib, 'core/place.js') ? { path: PLACE, external: true } : undefined,
      );
    },
  };
}
