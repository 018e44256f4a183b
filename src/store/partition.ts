import type { Partition } from '../core/index.ts';

/** The name of the hash that spreads workflow ids, kept with each database: a node that knows another refuses to start. */
export const PARTITION_HASH = 'fnv1a32-utf16';

/** The partition of a workflow id (and of a queue, for its matcher). */
export function partitionOf(namespace: string, name: string, partitions: number): Partition {
  return (fnv1a(name, fnv1a('\0', fnv1a(namespace, 0x811c9dc5))) % partitions) as Partition;
}

/** FNV-1a of 32 bits over UTF-16 code units, low byte first. */
function fnv1a(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}
