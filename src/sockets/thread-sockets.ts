import type { Readiness } from './readiness.ts';
import type { SystemCalls } from './system-calls.ts';

/**
 * What the connections of this thread are read and written by. Written by `startSockets` and `stopSockets` alone:
 * before a start, and in threads that carry no traffic, there is nothing, and connections go through Node's streams.
 */
export const threadSockets: { systemCalls: SystemCalls | null; readiness: Readiness | null } = {
  systemCalls: null,
  readiness: null,
};
