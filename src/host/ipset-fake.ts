import type { Ipset } from './ipset.ts';

/** ipset without a kernel, for tests: strict, and as forgiving as `ipset -exist` is. */
export class FakeIpset implements Ipset {
  /** Set → element → what it carries (`skbmark 0x10000/0xffffffff`). */
  readonly sets = new Map<string, Map<string, string>>();

  async restore(commands: string): Promise<void> {
    for (const line of commands.split('\n')) if (line !== '') this.#execute(line.split(' '));
  }

  async names(): Promise<string[]> {
    return [...this.sets.keys()];
  }

  #execute([verb, name, ...rest]: readonly string[]): void {
    if (verb === 'create') {
      if (!this.sets.has(name!)) this.sets.set(name!, new Map());
      return;
    }
    const set = this.sets.get(name!);
    if (!set) throw new Error(`ipset: The set with the given name does not exist: ${name}`);
    if (verb === 'add') set.set(rest[0]!, rest.slice(1).join(' '));
    else if (verb === 'del') set.delete(rest[0]!);
    else if (verb === 'flush') set.clear();
    else if (verb === 'destroy') this.sets.delete(name!);
    else if (verb === 'swap') this.#swap(name!, rest[0]!);
    else throw new Error(`unknown ipset command: ${verb}`);
  }

  #swap(one: string, other: string): void {
    const [first, second] = [this.sets.get(one)!, this.sets.get(other)];
    if (!second) throw new Error(`ipset: The set with the given name does not exist: ${other}`);
    this.sets.set(one, second);
    this.sets.set(other, first);
  }
}
