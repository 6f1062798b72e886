import { type ChainId, nameOf, TABLES, tableOf } from './chains.ts';

/** A transaction in the language of `iptables-restore --noflush`: chains that it names are written anew, no others. */
export class RestoreText {
  readonly #written = new Map<ChainId, readonly string[]>();
  readonly #removed = new Set<ChainId>();

  write(id: ChainId, rules: readonly string[]): void {
    this.#removed.delete(id);
    this.#written.set(id, rules);
  }

  /** A chain need not be there to be removed. */
  remove(id: ChainId): void {
    if (!this.#written.has(id)) this.#removed.add(id);
  }

  /** All chains that it names. */
  get chains(): ChainId[] {
    return [...this.#written.keys(), ...this.#removed];
  }

  toString(): string {
    return TABLES.map((table) => {
      const written = [...this.#written].filter(([id]) => tableOf(id) === table);
      const removed = [...this.#removed].filter((id) => tableOf(id) === table);
      if (written.length + removed.length === 0) return '';
      const lines = [
        `*${table}`,
        ...[...written.map(([id]) => id), ...removed].map((id) => `:${nameOf(id)} - [0:0]`),
        ...written.flatMap(([id, rules]) => rules.map((rule) => `-A ${nameOf(id)} ${rule}`)),
        ...removed.map((id) => `-X ${nameOf(id)}`),
        'COMMIT',
      ];
      return `${lines.join('\n')}\n`;
    }).join('');
  }
}
