/** Where this process has a backend. */
export interface BackendPlace {
  readonly pool: number;
  readonly slot: number;
  readonly generation: number;
}

/** The names of backends: slots are each process's own. */
export interface SessionNames {
  /** `pool/id` of the backend that has the slot with this generation, or null when it is gone. A generation of -1: whichever has the slot now. */
  backends(slot: number, generation: number): string | null;
  /** Null: there is no such backend. */
  resolve(pool: string, id: string): BackendPlace | null;
}
