import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { RawPair } from '../support/raw-pair.ts';

/** The response at the start of `text`, and what is behind it. */
export function firstResponse(text: string): { head: string; body: string; rest: string } {
  const end = text.indexOf('\r\n\r\n');
  assert.ok(end > 0, `no response in ${JSON.stringify(text)}`);
  const head = text.slice(0, end + 2);
  const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0);
  return { head, body: text.slice(end + 4, end + 4 + length), rest: text.slice(end + 4 + length) };
}

/**
 * Holds that `text` is one error answer of limpet's own and nothing else, and that it ends the connection when
 * `closes`.
 */
export function assertError(text: string, status: number, code: string, closes: boolean): void {
  const { head, body, rest } = firstResponse(text);
  assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), JSON.stringify(text));
  assert.match(head, new RegExp(`^Limpet-Error: ${code}\\r$`, 'm'));
  if (closes) assert.match(head, /^Connection: close\r$/m);
  assert.ok(body.includes(code));
  assert.equal(rest, '');
}

/**
 * Settles when limpet has closed this connection, however it did. At once: sooner than a connection closes that has
 * just been idle for too long.
 */
export async function closeOf(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('limpet has not closed the connection to the backend')), 2_000);
  socket.once('close', () => resolve());
  await promise.finally(() => clearTimeout(timer));
}

/** 69: nothing of all this ended a worker or was a defect. */
export function assertUnharmed(pair: RawPair): void {
  assert.deepEqual(
    pair.limpet.log.filter(({ level, worker }) => level === 'error' || level === 'fatal' || worker !== undefined),
    [],
  );
}
