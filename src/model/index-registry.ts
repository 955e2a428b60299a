/** Gives names a number each, which they keep for good: rows and counters hold it. */
export class IndexRegistry {
  readonly #what: string;
  readonly #most: number;
  readonly #indices = new Map<string, number>();

  /** @param what for the message when there is no number left, such as `pools` */
  constructor(what: string, most: number) {
    this.#what = what;
    this.#most = most;
  }

  /**
   * The numbers of these names, given out now where they have none.
   * @throws RangeError when there are more names than numbers, since the start and in all
   */
  assign(names: readonly string[]): Map<string, number> {
    const fresh = names.filter((name) => !this.#indices.has(name));
    if (this.#indices.size + fresh.length > this.#most) {
      throw new RangeError(
        `there is room for ${this.#most} ${this.#what}, those included that were removed since the start: restart limpet (start --take-over loses nothing)`,
      );
    }
    for (const name of fresh) this.#indices.set(name, this.#indices.size);
    return new Map(names.map((name) => [name, this.#indices.get(name)!]));
  }
}
