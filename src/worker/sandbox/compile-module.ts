import { extname } from 'node:path';

/** A module as a bundle holds it. */
export interface CompiledModule {
  /** Its path from the folder of the rooms. */
  id: string;
  /** pleach's own are evaluated once for a sandbox, the others once for each run. */
  isOwn: boolean;
  /** Ids by what the source calls them. */
  imports: Record<string, string>;
  code: string;
  /** A source map, as JSON. */
  map: string;
}

/** Entries of a bundle's table of modules, as text. */
export interface JoinedModules {
  /** Whole lines. */
  code: string;
  lineCount: number;
  /** Their sections of an index source map, lines counted from the first of `code`. */
  sections: { line: number; map: string }[];
}

/** Compiles one module to the body of a CommonJS function. */
export async function compileModule(path: string, source: string): Promise<Pick<CompiledModule, 'code' | 'map'>> {
  const esbuild = await import('esbuild');
  return esbuild.transform(source, {
    loader: loaderOf(path),
    format: 'cjs',
    target: 'es2024',
    platform: 'neutral',
    sourcefile: path,
    sourcemap: 'external',
    sourcesContent: true,
    supported: { 'dynamic-import': false },
  });
}

function loaderOf(file: string): 'ts' | 'tsx' | 'js' | 'jsx' | 'json' {
  const extension = extname(file);
  if (extension === '.ts' || extension === '.mts' || extension === '.cts') return 'ts';
  if (extension === '.tsx' || extension === '.jsx') return extension.slice(1) as 'tsx' | 'jsx';
  return extension === '.json' ? 'json' : 'js';
}

/** Makes factories of modules, one after another. */
export function joinModules(modules: readonly CompiledModule[]): JoinedModules {
  const sections: JoinedModules['sections'] = [];
  let code = '';
  let line = 0;
  for (const { id, isOwn, imports, code: body, map } of modules) {
    code += `${JSON.stringify(id)}: { own: ${isOwn}, imports: ${JSON.stringify(imports)}, run(module, exports, require, globalThis) {\n`;
    line++;
    sections.push({ line, map });
    code += `${body}\n}},\n`;
    line += body.split('\n').length + 1;
  }
  return { code, lineCount: line, sections };
}
