import { readFileSync } from 'node:fs';

/** Bytes of a local connection that wait in the system: received but not read, and written but not acknowledged. */
export function tcpQueues(localPort: number, remotePort: number): { unread: number; unsent: number } {
  const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const entry of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local, remote, , queues] = entry.trim().split(/\s+/);
    if (!local?.endsWith(hex(localPort)) || !remote?.endsWith(hex(remotePort))) continue;
    const [unsent, unread] = queues!.split(':').map((text) => Number.parseInt(text, 16)) as [number, number];
    return { unread, unsent };
  }
  return { unread: 0, unsent: 0 };
}
