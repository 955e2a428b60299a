import type { Head } from '../http1/head.ts';

/**
 * The protocol that a request with `Connection: upgrade` wants to switch to, as it goes to the backend; '' for none
 * (RFC 9110 7.8). `h2c` is left out: after it limpet would no longer see the requests, and their headers could go
 * around routes and sessions.
 */
export function upgradeProtocol(head: Head): string {
  if (head.minor === 0 || head.upgradeLine < 0) return '';
  const kept = head
    .value(head.upgradeLine)
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '' && !/^h2c?$/i.test(protocol));
  return kept.join(', ');
}
