/** Where the live state of a backend is, and which user of the slot it is. */
export interface SlotAssignment {
  readonly slot: number;
  /**
   * 1..65535: the stamp of its first life, of no life that an earlier user of the slot has had for long; after 65535 it
   * is 1 again.
   */
  readonly generation: number;
  /** When the backend's id came back after it had been gone, ms since epoch; absent: it was never gone. */
  readonly since?: number;
}

const LAST_GENERATION = 65_535;

interface Returned {
  readonly slot: number;
  /** `pool/id` of its last user. */
  readonly name: string;
}

/**
 * Gives out the slots of SharedState to the backends of the configuration (supervisor only).
 *
 * A backend keeps its slot for as long as it stays. One that is removed and added again gets another generation, so
 * that rows of its earlier life do not come back to life with it (behaviour 12), but its old slot where that is still
 * free: its counters go on (behaviour 45). Otherwise a slot that was given back is the last to be given out again.
 */
export class SlotRegistry {
  readonly #slots: number;
  readonly #busy: (slot: number) => boolean;
  readonly #lives: (slot: number) => number;
  readonly #now: () => number;
  readonly #assigned = new Map<string, SlotAssignment>();
  readonly #generations: Uint16Array;
  readonly #returned: Returned[] = [];
  readonly #known = new Set<string>();
  #fresh = 0;

  /**
   * `busy` says whether something still refers to a slot, which is not given out then: requests in flight, rows of the
   * table.
   * @param now wall clock, ms since epoch
   * @param lives how many lives the last user of a slot has had: each has a stamp of its own
   */
  constructor(
    slots: number,
    busy: (slot: number) => boolean = () => false,
    now: () => number = Date.now,
    lives: (slot: number) => number = () => 1,
  ) {
    this.#slots = slots;
    this.#busy = busy;
    this.#lives = lives;
    this.#now = now;
    this.#generations = new Uint16Array(slots);
  }

  /** The assignments by `pool/id`, for `buildPools` in every thread; a copy that crosses postMessage. */
  get assignments(): Map<string, SlotAssignment> {
    return new Map(this.#assigned);
  }

  /** The slot of a backend, or undefined when it has none. */
  get(pool: string, id: string): SlotAssignment | undefined {
    return this.#assigned.get(`${pool}/${id}`);
  }

  /**
   * The slot of a backend, given out now if it has none. Throws when all slots are taken.
   * @param onReuse called with a slot that another backend had before, whose counters are not this one's
   */
  assign(pool: string, id: string, onReuse: (slot: number) => void = () => {}): SlotAssignment {
    const name = `${pool}/${id}`;
    const known = this.#assigned.get(name);
    if (known !== undefined) return known;
    const slot = this.#take(name, onReuse);
    if (slot === undefined) {
      throw new Error(
        `no slot is free for backend ${name}: limpet holds at most ${this.#slots} backends, with removed ones that still drain`,
      );
    }
    const before = this.#generations[slot]!;
    const spent = before === 0 ? 0 : Math.max(0, this.#lives(slot) - 1);
    const generation = ((before + spent) % LAST_GENERATION) + 1;
    this.#generations[slot] = generation;
    const assignment: SlotAssignment = this.#known.has(name)
      ? { slot, generation, since: this.#now() }
      : { slot, generation };
    this.#assigned.set(name, assignment);
    this.#known.add(name);
    return assignment;
  }

  /** The backend is gone. Returns whether it had a slot. */
  release(pool: string, id: string): boolean {
    const name = `${pool}/${id}`;
    const assignment = this.#assigned.get(name);
    if (assignment === undefined) return false;
    this.#assigned.delete(name);
    this.#returned.push({ slot: assignment.slot, name });
    return true;
  }

  #take(name: string, onReuse: (slot: number) => void): number | undefined {
    const own = this.#returned.findIndex((returned) => returned.name === name && !this.#busy(returned.slot));
    if (own !== -1) return this.#returned.splice(own, 1)[0]!.slot;
    if (this.#fresh < this.#slots) return this.#fresh++;
    const other = this.#returned.findIndex(({ slot }) => !this.#busy(slot));
    if (other === -1) return undefined;
    const { slot } = this.#returned.splice(other, 1)[0]!;
    onReuse(slot);
    return slot;
  }
}
