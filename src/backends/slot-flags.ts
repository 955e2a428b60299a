/** The bits of a slot in SharedState. */
export const IN_USE = 1;
export const DRAIN = 2;
export const MAINTENANCE = 4;
export const DOWN = 8;
export const UP = 16;
export const EJECTED = 32;
/** The configured weight is 0. */
export const WEIGHTLESS = 64;

/** A backend is usable when of these bits IN_USE alone is set: one read and one mask on the data path. */
export const USABLE = IN_USE | MAINTENANCE | DOWN | EJECTED;
/** The same for new sessions. */
export const OPEN = USABLE | DRAIN | WEIGHTLESS;

/** Admin states as bits. */
export const ADMIN_FLAGS = { ready: 0, drain: DRAIN, maintenance: MAINTENANCE } as const;
/** Health as bits. */
export const HEALTH_FLAGS = { up: UP, down: DOWN, unknown: 0 } as const;
