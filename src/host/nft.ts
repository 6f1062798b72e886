import koffi from 'koffi';
import { run } from './exec.ts';

/** The kernel's packet rules of this network namespace. */
export interface Nft {
  /** Applies commands in nft's language as one transaction. Rejects with {@link NftError}; then nothing was changed. */
  run(commands: string): Promise<void>;
  close(): void;
}

/** What nft or the kernel refused, in their words. */
export class NftError extends Error {
  override name = 'NftError';
}

/** In-process through libnftables where it is installed, else one `nft` process a transaction. */
export function openNft(): Nft {
  try {
    return openLibrary();
  } catch {
    return { run: runProgram, close: () => {} };
  }
}

async function runProgram(commands: string): Promise<void> {
  try {
    await run(['nft', '-f', '-'], { input: commands });
  } catch (error) {
    throw new NftError((error as Error).message);
  }
}

/** What the library uses for a transaction of this size is worth giving back. */
const LARGE_CHARACTERS = 1 << 18;

/** Gives the system back what the C library keeps after it was freed: hundreds of megabytes after a large transaction. */
function openTrim(): () => void {
  try {
    const trim = koffi.load('libc.so.6').func('int malloc_trim(size_t pad)');
    return () => void trim(0);
  } catch {
    // Another C library than glibc has nothing of the kind.
    return () => {};
  }
}

function openLibrary(): Nft {
  const library = koffi.load('libnftables.so.1');
  const newContext = library.func('void *nft_ctx_new(uint32_t flags)');
  const freeContext = library.func('void nft_ctx_free(void *context)');
  const bufferOutput = library.func('int nft_ctx_buffer_output(void *context)');
  const bufferError = library.func('int nft_ctx_buffer_error(void *context)');
  const runBuffer = library.func('int nft_run_cmd_from_buffer(void *context, const char *commands)');
  const errorText = library.func('const char *nft_ctx_get_error_buffer(void *context)');
  const trim = openTrim();
  const context = newContext(0) as unknown;
  bufferOutput(context);
  bufferError(context);
  return {
    async run(commands) {
      const refused = (runBuffer(context, commands) as number) !== 0;
      const error = refused ? new NftError(String(errorText(context)).trim()) : undefined;
      if (commands.length > LARGE_CHARACTERS) trim();
      if (error) throw error;
    },
    close: () => void freeContext(context),
  };
}
