import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, extname, isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BuildOptions, Plugin } from 'esbuild';
import { messageOf, PleachError, sourceExtension, sourceRoot } from '../../core/index.ts';
import { compileModule, joinModules } from './compile-module.ts';
import { loadOwnModules, type OwnModules } from './own-modules.ts';

/** What a bundle is made from. */
export interface BundleOptions {
  /** The module whose exports are the workflows: a path, or a file: URL as text. */
  workflowsPath: string;
  /** Modules that export `interceptors`. */
  interceptorModules?: string[];
  /** A module that exports `payloadConverter`. */
  payloadConverterPath?: string;
  /** A module that exports `failureConverter`. */
  failureConverterPath?: string;
  /** Modules that may be left out although they are not allowed; using them fails at run time. */
  ignoreModules?: string[];
}

/** Workflow code, ready for a sandbox. */
export interface WorkflowBundle {
  /** A script that yields the table of modules. */
  code: string;
  /** An index source map of it, as JSON. */
  sourceMap: string;
  /** A digest of the code: two workers with one id run the same workflows. */
  id: string;
}

/** What a bundle's script yields. */
export interface BundleTable {
  /** Module factories by id. pleach's own are evaluated once for a sandbox, the others once for each run. */
  modules: Record<string, { own: boolean; imports: Record<string, string>; run: (...args: unknown[]) => void }>;
  workflows: string;
  interceptors: string[];
  converter: string | undefined;
  failureConverter: string | undefined;
  runtime: string;
}

const RUNTIME = `workflow/index${sourceExtension}`;
/** The packages that mean this one, and those that need nothing of it at run time. */
const ALIASES: Record<string, string> = {
  'pleach/workflow': `entry/workflow${sourceExtension}`,
  'pleach/common': `entry/common${sourceExtension}`,
  '@temporalio/workflow': `entry/workflow${sourceExtension}`,
  '@temporalio/common': `entry/common${sourceExtension}`,
};
const OWN = 'pleach-own';
const IGNORED = 'pleach-ignored';
const cache = new Map<string, WorkflowBundle>();

let warm: Promise<unknown> | undefined;

/**
 * Begins to load the bundler and to start its process, so that it is there when the first worker asks for it: both take
 * as long as the bundling itself. Returns at once.
 */
export function warmBundler(): void {
  warm ??= Promise.all([import('esbuild').then((esbuild) => esbuild.transform('')), loadOwnModules()]);
  // Whatever is wrong with it is said by the bundling that needs it.
  warm.catch(() => undefined);
}

/**
 * Bundles workflow code: finds its modules with esbuild, compiles each on its own, and joins them to a table of
 * factories, so that a run can have fresh modules without the whole being evaluated again.
 * @throws BUNDLE_FAILED that names the module, who imports it, and the mend
 */
export async function bundleWorkflowCode(options: BundleOptions): Promise<WorkflowBundle> {
  const esbuild = await import('esbuild');
  const workflows = toPath(options.workflowsPath);
  if (!existsSync(workflows)) {
    throw new PleachError(
      'BUNDLE_FAILED',
      `workflowsPath: there is no module ${workflows}. Give the path of the module that exports the workflows`,
      { workflowsPath: workflows },
    );
  }
  const interceptors = (options.interceptorModules ?? []).map(toPath);
  const converter = options.payloadConverterPath === undefined ? undefined : toPath(options.payloadConverterPath);
  const failures = options.failureConverterPath === undefined ? undefined : toPath(options.failureConverterPath);
  const entries = [workflows, ...interceptors, ...(converter ? [converter] : []), ...(failures ? [failures] : [])];
  const ignored = new Set(options.ignoreModules);
  const own = await loadOwnModules();
  const build: BuildOptions = {
    stdin: {
      contents: entries.map((entry, index) => `export * as m${index} from ${JSON.stringify(entry)};`).join('\n'),
      resolveDir: dirname(workflows),
      sourcefile: 'pleach-entry.js',
    },
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'module', 'default'],
    logLevel: 'silent',
    treeShaking: false,
    absWorkingDir: sourceRoot,
    plugins: [resolver(ignored, own)],
  };
  let metafile: NonNullable<Awaited<ReturnType<typeof esbuild.build>>['metafile']>;
  try {
    metafile = (await esbuild.build(build)).metafile!;
  } catch (error) {
    throw bundleError(error);
  }
  const files = Object.keys(metafile.inputs).filter(
    (path) => !path.endsWith('pleach-entry.js') && !path.startsWith(`${OWN}:`),
  );
  const idOf = (path: string): string =>
    path.startsWith(`${OWN}:`) ? path.slice(OWN.length + 1) : relative(sourceRoot, absolute(path));
  const digest = createHash('sha256').update(own.digest);
  const contents = new Map<string, string>();
  for (const file of files) {
    const text = file.startsWith(`${IGNORED}:`) ? '' : readFileSync(absolute(file), 'utf8');
    contents.set(file, text);
    digest.update(file).update('\0').update(text).update('\0');
  }
  digest.update(JSON.stringify([interceptors, converter, failures]));
  const id = digest.digest('hex').slice(0, 32);
  const cached = cache.get(id);
  if (cached) return cached;
  const authors = joinModules(
    await Promise.all(
      files.map(async (file) => {
        const imports: Record<string, string> = {};
        for (const link of metafile.inputs[file]!.imports)
          if (link.original !== undefined && !link.external) imports[link.original] = idOf(link.path);
        const compiled = await compileModule(absolute(file), contents.get(file)!);
        return { id: idOf(file), isOwn: false, imports, code: compiled.code, map: compiled.map };
      }),
    ),
  );
  const head = '"use strict";(() => ({ modules: {\n';
  const tail = `}, workflows: ${JSON.stringify(idOf(workflows))}, interceptors: ${JSON.stringify(interceptors.map(idOf))}, converter: ${JSON.stringify(converter && idOf(converter))}, failureConverter: ${JSON.stringify(failures && idOf(failures))}, runtime: ${JSON.stringify(RUNTIME)} }))()`;
  // Maps are JSON already; the largest are pleach's own, and stay as they are.
  const sections = [
    ...own.sections.map(({ line, map }) => ({ line: line + 1, map })),
    ...authors.sections.map(({ line, map }) => ({ line: line + 1 + own.lineCount, map })),
  ].map(({ line, map }) => `{"offset":{"line":${line},"column":0},"map":${map}}`);
  const bundle = {
    code: head + own.code + authors.code + tail,
    sourceMap: `{"version":3,"sections":[${sections.join(',')}]}`,
    id,
  };
  cache.set(id, bundle);
  return bundle;
}

function toPath(path: string): string {
  if (typeof path !== 'string' || path === '') {
    throw new PleachError(
      'INVALID_ARGUMENT',
      'workflowsPath is the path of a module: fileURLToPath(new URL("./workflows.ts", import.meta.url))',
      { found: typeof path },
    );
  }
  const plain = path.startsWith('file:') ? fileURLToPath(path) : path;
  const full = isAbsolute(plain) ? plain : resolve(plain);
  if (existsSync(full) && extname(full) !== '') return full;
  for (const extension of ['.ts', '.mts', '.js', '.mjs', '.cjs', '/index.ts', '/index.js'])
    if (existsSync(full + extension)) return full + extension;
  return full;
}

function absolute(path: string): string {
  return path.startsWith(`${IGNORED}:`) ? path : resolve(sourceRoot, path);
}

/** @param own stand in for themselves by the names that they export: they are compiled already */
function resolver(ignored: ReadonlySet<string>, own: OwnModules): Plugin {
  return {
    name: 'pleach',
    setup(build) {
      build.onResolve({ filter: /.*/ }, (args) => {
        const path = ALIASES[args.path] ?? relative(sourceRoot, resolve(args.resolveDir, args.path));
        if (path in own.exports) return { path, namespace: OWN };
        const bare = args.path.replace(/^node:/, '');
        if (ignored.has(args.path) || ignored.has(bare)) return { path: bare, namespace: IGNORED };
        if (!isBuiltin(args.path)) return undefined;
        return {
          errors: [
            {
              text: `workflow code may not import "${args.path}" (imported by ${relative(process.cwd(), args.importer) || args.importer}): it reaches outside the workflow. Move the call into an activity, or name the module in bundlerOptions.ignoreModules if it is never used at run time`,
            },
          ],
        };
      });
      build.onLoad({ filter: /.*/, namespace: IGNORED }, () => ({ contents: '', loader: 'js' }));
      build.onLoad({ filter: /.*/, namespace: OWN }, ({ path }) => ({
        contents: (own.exports[path] ?? []).map((name) => `export let ${name};`).join(''),
        loader: 'js',
      }));
    },
  };
}

function bundleError(error: unknown): PleachError {
  const { errors } = error as {
    errors?: { text: string; location?: { file: string; line: number; column: number } | null }[];
  };
  const said = errors
    ?.map(({ text, location }) => (location ? `${location.file}:${location.line}:${location.column}: ${text}` : text))
    .join('; ');
  return new PleachError(
    'BUNDLE_FAILED',
    `the workflow code cannot be bundled: ${said ?? messageOf(error)}`,
    {},
    { cause: error },
  );
}
