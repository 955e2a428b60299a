import type { PoolParts, Report } from './parts.ts';

/** Turns are taken within a session: without sessions there is nothing to take turns in. */
export function checkDialog({ path, session, affinity }: PoolParts, report: Report): void {
  const at = [...path, 'session'];
  if (session.dialog === 'half-duplex' && affinity.length === 0) {
    report.error(
      [...at, 'dialog'],
      'half-duplex lets the requests of a session take turns, and a pool with affinity: [] has no sessions: name a key in affinity or leave dialog out',
    );
  }
  const queue = session.dialogQueue;
  if (queue === undefined || session.dialog === undefined || session.dialog === 'half-duplex') return;
  if (queue.max !== 32 || queue.wait !== 10_000)
    report.warn([...at, 'dialogQueue'], `has no effect with dialog: ${session.dialog}, only with half-duplex`, 'key');
}
