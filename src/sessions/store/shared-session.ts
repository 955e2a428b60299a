/**
 * A session as the store that nodes share knows it, while this process may have no row of it. Times in ms since epoch.
 */
export interface SharedSession {
  /** Name of its pool. */
  readonly pool: string;
  /** Id of its backend. */
  readonly backend: string;
  /** Index into KEY_SOURCES. */
  readonly by: number;
  readonly created: number;
  readonly lastSeen: number;
  readonly moves: number;
  /** Public id of the session that this is another name of; '' or absent: of none. */
  readonly joined?: string;
  /** Number of the life of its backend that it is bound to; 0: not known. */
  readonly life: number;
}
