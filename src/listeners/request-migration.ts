import { readFileSync, writeFileSync } from 'node:fs';

const SWITCH = '/proc/sys/net/ipv4/tcp_migrate_req';

/**
 * Lets Linux (5.14 and newer) give connections that nobody has accepted yet to another process on the same port when
 * this one closes its listening socket. Without it those few that come between the last accept and the close are reset
 * (behaviour 47). The switch is one for the whole network namespace, does nothing where no other socket listens on the
 * port, and is put back by what this answers. Nothing happens where the system has no such switch or does not let us;
 * an operator may then set it for good.
 */
export function migrateRequests(): () => void {
  try {
    if (readFileSync(SWITCH, 'latin1').trim() !== '0') return () => {};
    writeFileSync(SWITCH, '1');
  } catch {
    return () => {};
  }
  return () => {
    try {
      writeFileSync(SWITCH, '0');
    } catch {
      // It stays on: what was allowed a moment ago is not any more.
    }
  };
}
