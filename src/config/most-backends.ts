/** Backends that the shared memory holds, in all pools, removed ones that still drain included. */
export const MOST_BACKENDS = 1_024;
