/** How far an attempt had come when it ended; retry reads only this (behaviours 27 to 29). */
export const Stage = {
  /** Nothing of the request has been sent. */
  connect: 0,
  /** Some of it may have been sent. */
  exchange: 1,
  /** The client has part of the response. */
  committed: 2,
} as const;

/** One of the values of Stage. */
export type Stage = (typeof Stage)[keyof typeof Stage];
