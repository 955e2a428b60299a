import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

test('L1: the preface of HTTP/2 has timeouts.header from its first byte, however it trickles', async (t) => {
  const backend = new HttpBackend('a');
  await backend.start();
  t.after(() => backend.stop());
  const limpet = await startLimpetProcess(
    `workers: 1\nlisteners: [{ bind: "127.0.0.1:0", h2c: true, timeouts: { header: 1s } }]\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
  );
  t.after(limpet.stop);
  const socket = connect(limpet.port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  let sent = 0;
  const trickle = setInterval(() => {
    if (sent < preface.length - 1) socket.write(preface[sent++]!);
  }, 300);
  socket.resume();
  await once(socket, 'close');
  clearInterval(trickle);
  assert.ok(sent < preface.length - 1, `${sent} bytes`);
});
