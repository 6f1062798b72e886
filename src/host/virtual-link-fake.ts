import type { VirtualLink } from './virtual-link.ts';

/** A link without a kernel, for tests. */
export class FakeLink implements VirtualLink {
  readonly addresses = new Set<string>();
  made = false;

  async exists(): Promise<boolean> {
    return this.made;
  }

  async ensure(): Promise<string[]> {
    this.made = true;
    return [...this.addresses];
  }

  async change({ add, remove }: { add: readonly string[]; remove: readonly string[] }): Promise<void> {
    if (!this.made) throw new Error('Cannot find device');
    for (const ip of add) this.addresses.add(ip);
    for (const ip of remove) this.addresses.delete(ip);
  }

  async remove(): Promise<void> {
    this.made = false;
    this.addresses.clear();
  }
}
