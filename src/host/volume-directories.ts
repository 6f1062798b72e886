import { chmod, mkdir, rm } from 'node:fs/promises';

/** Directories that are volumes of pods, below one root: every user may write them, as no volume plugin sets owners. */
export function volumeDirectories(root: string) {
  return {
    root,
    async create(path: string): Promise<void> {
      await mkdir(path, { recursive: true });
      await chmod(path, 0o777);
    },
    async remove(path: string): Promise<void> {
      await rm(path, { recursive: true, force: true });
    },
  };
}
