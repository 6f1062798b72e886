import { statfs } from 'node:fs/promises';
import type { Node } from '../api/types.ts';
import { timestamp } from '../lib/clock.ts';

/** What is left of the file system that pods live on. */
export interface DiskRoom {
  readonly freeBytes: number;
  readonly freeInodes: number;
  /** 0 where the file system has no fixed number. */
  readonly inodes: number;
}

type Condition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

/** Enough for what running pods still write, whatever the size of the disk. */
const LEAST_BYTES = 256 * 1024 * 1024;
const LEAST_INODE_SHARE = 0.01;

export async function readDiskRoom(path: string): Promise<DiskRoom> {
  const { bavail, bsize, ffree, files } = await statfs(path);
  return { freeBytes: bavail * bsize, freeInodes: ffree, inodes: files };
}

/** The conditions of a node whose agent answers. Times of those that have not changed stay. Pure. */
export function nodeConditions(room: DiskRoom, at: { known: readonly Condition[]; now: number }): Condition[] {
  const full = room.freeBytes < LEAST_BYTES || room.freeInodes < room.inodes * LEAST_INODE_SHARE;
  const now = timestamp(at.now);
  const condition = (type: string, status: string, reason: string, message: string): Condition => {
    const before = at.known.find((one) => one.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
  };
  return [
    condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    full
      ? condition('DiskPressure', 'True', 'KubeletHasDiskPressure', 'kubelet has disk pressure')
      : condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
  ];
}
