import { describe, expect, it } from 'vitest';
import { LIMITS, PleachError } from '../core/index.ts';
import { Room } from './room.ts';

const busy = (waitingJobs: number, stalled?: PleachError) => ({ stalled, activations: { waitingJobs } });
const exhausted = expect.objectContaining({ code: 'RESOURCE_EXHAUSTED' }) as unknown;

describe('the room for new work', () => {
  it('refuses what would make more bytes wait than may, and takes it again when some are durable', () => {
    const room = new Room(busy(0));
    const half = LIMITS.waitingBytesMax / 2;
    const release = room.hold(half);
    room.require(half);
    room.hold(half);
    expect(() => room.require(1)).toThrow(exhausted);
    release();
    release();
    room.require(half);
    expect(() => room.require(half + 1)).toThrow(exhausted);
  });

  it('takes one request in whatever its size, while nothing else waits', () => {
    const room = new Room(busy(0));
    expect(() => room.require(LIMITS.waitingBytesMax + 1)).not.toThrow();
  });

  it('counts jobs that wait for their run as well as those at workers and in the journal', () => {
    const room = new Room(busy(0));
    for (let i = 0; i < LIMITS.waitingJobsMax; i++) room.hold(0);
    expect(() => room.require(0)).toThrow(exhausted);
    expect(() => new Room(busy(LIMITS.waitingJobsMax)).require(0)).toThrow(exhausted);
    new Room(busy(LIMITS.waitingJobsMax - 1)).require(0);
  });

  it('tells why while the store takes no writes', () => {
    const full = new PleachError('STORE_FULL', 'the disk is full', {});
    expect(() => new Room(busy(0, full)).require(0)).toThrow(full);
  });
});
