import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sourceExtension, sourceRoot } from '../../core/index.ts';
import { compileModule, type CompiledModule, joinModules, type JoinedModules } from './compile-module.ts';

/** pleach's own modules, compiled for the sandbox. They are the same in every bundle of a release. */
export interface OwnModules extends JoinedModules {
  /** Changes when any of them does. */
  digest: string;
  /** What the entries export, by id, so that a wrong name in an import is found while bundling. */
  exports: Record<string, string[]>;
}

/** The modules that workflow code imports, ours included, and the one that a sandbox itself needs. */
const ENTRIES = ['entry/workflow', 'entry/common', 'workflow/index', 'common/index'];

/** Where the published package has them, from the folder of the rooms: to compile them takes 100 ms of every start. */
export const OWN_MODULES_FILE = 'worker/sandbox/own-modules.json';

let loaded: Promise<OwnModules> | undefined;

/** Those of this release: read where the package has them compiled, else compiled once in each process. */
export function loadOwnModules(): Promise<OwnModules> {
  const path = join(sourceRoot, OWN_MODULES_FILE);
  loaded ??= existsSync(path)
    ? Promise.resolve(JSON.parse(readFileSync(path, 'utf8')) as OwnModules)
    : compileOwnModules(sourceRoot, sourceExtension);
  return loaded;
}

/**
 * Compiles them.
 * @param root the folder of the rooms, source or built
 * @param extension of its files, `.ts` or `.js`
 */
export async function compileOwnModules(root: string, extension: string): Promise<OwnModules> {
  const esbuild = await import('esbuild');
  const { metafile } = await esbuild.build({
    entryPoints: ENTRIES.map((name) => join(root, name + extension)),
    outdir: join(root, 'own'),
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'neutral',
    logLevel: 'silent',
    treeShaking: false,
    absWorkingDir: root,
  });
  const digest = createHash('sha256');
  const modules: CompiledModule[] = [];
  for (const [id, input] of Object.entries(metafile.inputs)) {
    const path = resolve(root, id);
    const source = readFileSync(path, 'utf8');
    digest.update(id).update('\0').update(source).update('\0');
    const imports: Record<string, string> = {};
    for (const link of input.imports) if (link.original !== undefined) imports[link.original] = link.path;
    modules.push({ id, isOwn: true, imports, ...(await compileModule(path, source)) });
  }
  const exports: Record<string, string[]> = {};
  for (const output of Object.values(metafile.outputs))
    if (output.entryPoint !== undefined) exports[output.entryPoint] = output.exports;
  return { ...joinModules(modules), digest: digest.digest('hex'), exports };
}
