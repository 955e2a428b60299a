/** State of the store that several nodes share, or of the memory. */
export interface StoreState {
  readonly type: 'memory' | 'redis';
  readonly up: boolean;
  /** When it came up or went down, ms since epoch. */
  readonly since: number;
  /** Changes that it has not been told yet: counted when it is read, which takes as long as the table is large. */
  readonly pending: number;
}
