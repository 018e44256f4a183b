import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);

/**
 * The folder of the rooms: `src`, or `lib` in the published package. This file alone knows where it lies: the package
 * joins most others into a few, from which a path beside oneself would lead nowhere.
 */
export const sourceRoot = dirname(dirname(self));

/** `.ts` where the source runs as it is, `.js` where it was built. */
export const sourceExtension = extname(self);

/** The file of a module of ours. @param path from the folder of the rooms, without extension: `engine/kernel-thread` */
export function sourceFile(path: string): string {
  return join(sourceRoot, `${path}${sourceExtension}`);
}
