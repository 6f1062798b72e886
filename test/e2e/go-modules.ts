import { CommandError, run } from '../../src/host/exec.ts';

/** A module of the Go proxy as files. */
export interface GoModule {
  readonly directory: string;
}

/**
 * Downloads a Go module into Go's own cache; answers the reason when there is no Go here, or no proxy that it can
 * reach. Nothing of it comes into this repository.
 */
export async function goModule(path: string, version: string): Promise<GoModule | { readonly reason: string }> {
  try {
    const { stdout } = await run(['go', 'mod', 'download', '-json', `${path}@${version}`], { timeoutMs: 60_000 });
    return { directory: (JSON.parse(stdout) as { Dir: string }).Dir };
  } catch (error) {
    const why = error instanceof CommandError ? error.stderr || error.message : (error as Error).message;
    return { reason: `Go module ${path}@${version} can not be had: ${why.split('\n')[0]}` };
  }
}
