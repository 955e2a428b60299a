/** Open files of the process itself, and of each worker: measured with 1 to 8 workers, and some to spare. */
const PROCESS_FILES = 40;
const WORKER_FILES = 12;
/** Of what is left, the share of client connections that are served; each may need a second socket to a backend. */
const SERVED = 0.45;
/** And of those that wait to be served. The rest is for idle connections to backends. */
const WAITING = 0.05;

/** Room for client connections under the limit on open files. */
export interface ConnectionAllowance {
  /** Served at once, all listeners and workers together. */
  readonly connections: number;
  /** Accepted but not served yet, at each listener of each worker. */
  readonly waiting: number;
}

/**
 * How many connections fit under the limit on open files, so that accepting pauses before the system refuses (behaviour
 * 71): when it does, libuv closes what it cannot accept without a word, and nobody can tell.
 */
export function connectionAllowance(
  openFiles: number,
  workers: number,
  listeners: number,
  backends: number,
): ConnectionAllowance {
  const left = openFiles - PROCESS_FILES - workers * (WORKER_FILES + listeners) - backends;
  return {
    connections: Math.max(1, Math.floor(left * SERVED)),
    waiting: Math.max(1, Math.floor((left * WAITING) / (workers * listeners))),
  };
}
