import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const requireHere = createRequire(import.meta.url);

/** Loads a module, of either kind, at once; its exports. The path is absolute, or a file: URL as text. */
export function loadModule(path: string): unknown {
  return requireHere(path.startsWith('file:') ? fileURLToPath(path) : path);
}
