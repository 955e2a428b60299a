import { OWN_LIMITS } from '../backends/own-limits.ts';
import type { ErrorCode } from '../errors.ts';

/** Why a probe got no connection: the backend's doing, unless this machine has none left to give. */
export function noConnection({ code = '', message }: NodeJS.ErrnoException): { reason: string; code: ErrorCode } {
  return { reason: code === '' ? message : code, code: OWN_LIMITS.has(code) ? 'INTERNAL' : 'BACKEND_CONNECT' };
}
