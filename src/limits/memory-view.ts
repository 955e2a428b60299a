/** How the memory of this process stands to `limits.memory`. */
export interface MemoryView {
  readonly short: boolean;
  /** Bytes. */
  readonly used: number;
  /** Bytes; Infinity: there is no limit. */
  readonly limit: number;
}
