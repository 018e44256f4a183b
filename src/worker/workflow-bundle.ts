import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type DataConverter, shown } from '../common/index.ts';
import { messageOf, PleachError } from '../core/index.ts';
import { bundleWorkflowCode as bundle, type WorkflowBundle } from './sandbox/index.ts';

/** What workflow code is bundled from. */
export interface BundleOptions {
  /** The module whose exports are the workflows; a path, or a file: URL as text. */
  workflowsPath: string;
  /** Modules that export `interceptors`. */
  workflowInterceptorModules?: string[];
  /** A module that exports `payloadConverter`. */
  payloadConverterPath?: string;
  /** A module that exports `failureConverter`. */
  failureConverterPath?: string;
  /** Modules that may be left out although they are not allowed; using them fails at run time. */
  ignoreModules?: string[];
}

/** Bundled code. `code` alone is enough to run it: its source map is at its end. */
export interface WorkflowBundleWithSourceMap extends WorkflowBundle {
  code: string;
  sourceMap: string;
}

/** Bundled code, or the path of a file that has it. */
export type WorkflowBundleOption = { code: string; sourceMap?: string; id?: string } | { codePath: string };

const MAP_HEAD = '\n//# sourceMappingURL=data:application/json;base64,';

/**
 * Bundles workflow code ahead of time: write `code` to a file, and give workers `workflowBundle: { codePath }`.
 * @throws PleachError BUNDLE_FAILED that names the module, who imports it, and the mend
 */
export async function bundleWorkflowCode(options: BundleOptions): Promise<WorkflowBundleWithSourceMap> {
  requirePaths(options);
  const { workflowInterceptorModules: interceptorModules, ...rest } = options;
  const made = await bundle({ ...rest, ...(interceptorModules ? { interceptorModules } : {}) });
  return { ...made, code: `${made.code}${MAP_HEAD}${Buffer.from(made.sourceMap).toString('base64')}\n` };
}

/** Reads a bundle that was made before. @throws PleachError INVALID_ARGUMENT */
export function loadBundle(option: WorkflowBundleOption): WorkflowBundle {
  const { codePath, code: given } = (option ?? {}) as { codePath?: unknown; code?: unknown };
  const written = typeof codePath === 'string' ? readBundle(codePath) : given;
  if (typeof written !== 'string') {
    throw new PleachError(
      'INVALID_ARGUMENT',
      `workflowBundle is { code } or { codePath }, as bundleWorkflowCode makes it; it is ${shown(option)}`,
    );
  }
  const at = written.lastIndexOf(MAP_HEAD);
  const code = at < 0 ? written : written.slice(0, at);
  const inline = at < 0 ? undefined : Buffer.from(written.slice(at + MAP_HEAD.length).trim(), 'base64').toString();
  const more: { sourceMap?: string; id?: string } = 'code' in option ? option : {};
  return {
    code,
    sourceMap: more.sourceMap ?? inline ?? '{"version":3,"sections":[]}',
    id: more.id ?? createHash('sha256').update(code).digest('hex').slice(0, 32),
  };
}

function readBundle(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new PleachError(
      'INVALID_ARGUMENT',
      `workflowBundle.codePath is a file that bundleWorkflowCode made; ${shown(path)} cannot be read: ${messageOf(error)}`,
      { path },
      { cause: error },
    );
  }
}

/** @throws INVALID_ARGUMENT for paths that are none */
function requirePaths(options: BundleOptions): void {
  const refuse = (what: string, may: string, value: unknown): never => {
    throw new PleachError(
      'INVALID_ARGUMENT',
      `${what} is ${may}; it is ${value === undefined ? 'missing' : shown(value)}`,
      {
        what,
      },
    );
  };
  if (typeof options !== 'object' || options === null)
    refuse('bundleWorkflowCode: its argument', '{ workflowsPath }', options);
  const { workflowsPath, payloadConverterPath, failureConverterPath, workflowInterceptorModules, ignoreModules } =
    options;
  if (typeof workflowsPath !== 'string' || workflowsPath === '')
    refuse('workflowsPath', 'the path of a module, or a file: URL as text', workflowsPath);
  for (const [what, value] of Object.entries({ payloadConverterPath, failureConverterPath }))
    if (value !== undefined && typeof value !== 'string') refuse(what, 'the path of a module', value);
  for (const [what, value] of Object.entries({ workflowInterceptorModules, ignoreModules })) {
    if (value !== undefined && !(Array.isArray(value) && value.every((one) => typeof one === 'string')))
      refuse(what, 'a list of modules', value);
  }
}

/** The bundle that options of a worker ask for; undefined where they have no workflows. */
export async function bundleOf(options: {
  workflowsPath?: string;
  workflowBundle?: WorkflowBundleOption;
  interceptors?: { workflowModules?: string[] };
  dataConverter?: DataConverter;
  bundlerOptions?: { ignoreModules?: string[] };
}): Promise<WorkflowBundle | undefined> {
  if (options.workflowBundle !== undefined) return loadBundle(options.workflowBundle);
  if (options.workflowsPath === undefined) return undefined;
  const { payloadConverterPath, failureConverterPath } = options.dataConverter ?? {};
  const interceptorModules = options.interceptors?.workflowModules;
  const ignoreModules = options.bundlerOptions?.ignoreModules;
  requirePaths({
    workflowsPath: options.workflowsPath,
    ...(interceptorModules === undefined ? {} : { workflowInterceptorModules: interceptorModules }),
    ...(ignoreModules === undefined ? {} : { ignoreModules }),
  });
  return bundle({
    workflowsPath: options.workflowsPath,
    ...(interceptorModules ? { interceptorModules } : {}),
    ...(payloadConverterPath === undefined ? {} : { payloadConverterPath }),
    ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
    ...(ignoreModules ? { ignoreModules } : {}),
  });
}
