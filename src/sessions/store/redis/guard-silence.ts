import type { Cluster, Redis } from 'ioredis';
import { Deadline } from '../../../timing/deadline.ts';

/** Looks while the other end owes an answer, until it is taken for gone. */
const LOOKS = 3;

/**
 * Gives up each connection of a client that owes an answer for `ms` to half as much again: its other end may be gone
 * without a word. The library has the same, but its timer fires behind a pause of this process although the answer is
 * there.
 */
export function guardSilence(client: Redis | Cluster, ms: number): void {
  if ('nodes' in client) client.on('+node', (node: Redis) => guard(node, ms));
  else guard(client, ms);
}

function guard(client: Redis, ms: number): void {
  client.on('connect', () => {
    const { stream } = client;
    let heard = false;
    let owed = 0;
    let written = stream.bytesWritten;
    const look = new Deadline(ms / (LOOKS - 1), () => {
      owed = heard || stream.bytesWritten === written ? 0 : owed + 1;
      heard = false;
      if (owed === LOOKS) stream.destroy(new Error(`no answer within ${ms} ms`));
      else look.restart(ms / (LOOKS - 1));
    });
    stream.on('data', () => {
      heard = true;
      written = stream.bytesWritten;
    });
    stream.once('close', () => look.cancel());
    if (stream.destroyed) look.cancel();
  });
}
