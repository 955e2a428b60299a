// Rates from successive looks at counters that only grow.

/** Requests a second by backend, from two looks or more. */
export class Rates {
  #before = new Map();
  #now = new Map();
  #at = 0;

  /** Takes in what the API says now. @param at monotonic, ms */
  take(pools, at) {
    const seconds = (at - this.#at) / 1000;
    this.#at = at;
    const before = this.#before;
    this.#before = new Map();
    this.#now = new Map();
    for (const pool of pools) {
      let sum = null;
      for (const { id, requests } of pool.backends) {
        const name = `${pool.name}/${id}`;
        const grown = requests - before.get(name);
        this.#before.set(name, requests);
        // The first look at it, or limpet was started again: there is no rate.
        if (!(grown >= 0) || seconds <= 0) continue;
        this.#now.set(name, grown / seconds);
        sum = (sum ?? 0) + grown / seconds;
      }
      if (sum !== null) this.#now.set(pool.name, sum);
    }
  }

  /** Of a pool or of `POOL/BACKEND`; null: not known yet. */
  of(name) {
    return this.#now.get(name) ?? null;
  }

  /** Of everything. */
  total(pools) {
    const known = pools.map(({ name }) => this.of(name)).filter((one) => one !== null);
    return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0);
  }
}
