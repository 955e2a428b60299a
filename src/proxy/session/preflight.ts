import type { Head } from '../../http1/head.ts';
import { hashName } from '../../http1/header-id.ts';

const ORIGIN = 'origin';
const ORIGIN_HASH = hashName(ORIGIN);
const ASKED = 'access-control-request-method';
const ASKED_HASH = hashName(ASKED);

/**
 * True if a browser asks, for a page of another origin, whether it may make a request (Fetch, section 4.8). That never
 * has credentials, so it is no session's.
 */
export function isPreflight(head: Head): boolean {
  return head.find(ORIGIN, ORIGIN_HASH) >= 0 && head.find(ASKED, ASKED_HASH) >= 0;
}
