/**
 * Whether connections of this thread are known to have something to be read that nobody has looked at yet; told by
 * `sockets/readiness.ts`.
 */
export const backlog = { left: false };
