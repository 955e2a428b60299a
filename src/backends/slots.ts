/** Where the live state of a backend is, and which user of the slot it is. */
export interface SlotAssignment {
  readonly slot: number;
  /** 1..65535: how often the slot has been given out; after 65535 it is 1 again. */
  readonly generation: number;
}

const LAST_GENERATION = 65_535;

/**
 * Gives out the slots of SharedState to the backends of the configuration (supervisor only).
 *
 * A backend keeps its slot for as long as it stays. One that is removed and added again gets another generation, so that rows
 * of its earlier life do not come back to life with it (behaviour 12). A slot that was given back is the last to be given out again.
 */
export class SlotRegistry {
  readonly #slots: number;
  readonly #busy: (slot: number) => boolean;
  readonly #assigned = new Map<string, SlotAssignment>();
  readonly #generations: Uint16Array;
  readonly #returned: number[] = [];
  #fresh = 0;

  /** `busy` says whether requests are in flight at a slot, which is not given out then; pass `(slot) => state.active(slot) > 0`. */
  constructor(slots: number, busy: (slot: number) => boolean = () => false) {
    this.#slots = slots;
    this.#busy = busy;
    this.#generations = new Uint16Array(slots);
  }

  /** The assignments by `pool/id`, for `buildPools` in every thread; a copy that crosses postMessage. */
  get assignments(): Map<string, SlotAssignment> {
    return new Map(this.#assigned);
  }

  /** The slot of a backend, given out now if it has none. Throws when all slots are taken. */
  assign(pool: string, id: string): SlotAssignment {
    const name = `${pool}/${id}`;
    const known = this.#assigned.get(name);
    if (known !== undefined) return known;
    const slot = this.#take();
    if (slot === undefined) {
      throw new Error(
        `no slot is free for backend ${name}: limpet holds at most ${this.#slots} backends, with removed ones that still drain`,
      );
    }
    const generation = (this.#generations[slot]! % LAST_GENERATION) + 1;
    this.#generations[slot] = generation;
    const assignment: SlotAssignment = { slot, generation };
    this.#assigned.set(name, assignment);
    return assignment;
  }

  /** The backend is gone. Returns whether it had a slot. */
  release(pool: string, id: string): boolean {
    const assignment = this.#assigned.get(`${pool}/${id}`);
    if (assignment === undefined) return false;
    this.#assigned.delete(`${pool}/${id}`);
    this.#returned.push(assignment.slot);
    return true;
  }

  #take(): number | undefined {
    if (this.#fresh < this.#slots) return this.#fresh++;
    const index = this.#returned.findIndex((slot) => !this.#busy(slot));
    return index === -1 ? undefined : this.#returned.splice(index, 1)[0];
  }
}
