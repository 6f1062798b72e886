import { writeFileSync } from 'node:fs';
import { CommandError, run } from './exec.ts';

/** A link of this network namespace that has nothing behind it: a place for addresses. */
export interface VirtualLink {
  exists(): Promise<boolean>;
  /** Makes the link unless it is there; resolves with its addresses. */
  ensure(): Promise<string[]>;
  /** Gives it addresses, and takes others away. The node's own packets to them come from `source`. */
  change(addresses: { add: readonly string[]; remove: readonly string[]; source: string }): Promise<void>;
  /** With all its addresses. */
  remove(): Promise<void>;
}

export function openVirtualLink(name: string): VirtualLink {
  return {
    exists: () =>
      run(['ip', 'link', 'show', name]).then(
        () => true,
        () => false,
      ),
    async ensure() {
      await unless('File exists', run(['ip', 'link', 'add', name, 'type', 'dummy']));
      await run(['ip', 'link', 'set', name, 'up']);
      const { stdout } = await run(['ip', '-4', '-o', 'address', 'show', 'dev', name]);
      return [...stdout.matchAll(/ inet ([\d.]+)\/32 /g)].map(([, ip]) => ip!);
    },
    async change({ add, remove, source }) {
      const lines = add.flatMap((ip) => [
        `address replace ${ip}/32 dev ${name}`,
        // The kernel's own route would make packets to an address come from that very address.
        `route replace local ${ip} dev ${name} table local proto kernel scope host src ${source}`,
      ]);
      if (lines.length > 0) await run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
      // The kernel does not take such a route for its own: it would stay when the address goes.
      const gone = remove.flatMap((ip) => [
        `route delete local ${ip} dev ${name} table local`,
        `address delete ${ip}/32 dev ${name}`,
      ]);
      if (gone.length === 0) return;
      const batch = run(['ip', '-force', '-batch', '-'], { input: `${gone.join('\n')}\n` });
      await unless('Cannot assign requested address', unless('No such process', batch));
    },
    async remove() {
      await unless('Cannot find device', run(['ip', 'link', 'delete', name]));
    },
  };
}

async function unless(message: string, command: Promise<unknown>): Promise<void> {
  await command.catch((error: unknown) => {
    if (!(error instanceof CommandError) || !error.stderr.includes(message)) throw error;
  });
}

/** Sets sysctls (`net/ipv4/ip_forward` → value) of this process's network namespace. Throws when the kernel has none of a name. */
export function setOwnSysctls(values: Readonly<Record<string, number>>): void {
  for (const [key, value] of Object.entries(values)) writeFileSync(`/proc/sys/${key}`, `${value}\n`);
}
