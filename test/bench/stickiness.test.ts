import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { BodySkipper } from '../../bench/body-skipper.ts';
import { createResponder, type Served } from '../../bench/responder.ts';
import { beginSessions, type Target, verifySessions } from '../../bench/sessions.ts';

const served: Served = { requests: 0 };
let sessionsMade = 0;
const backends = ['a', 'b', 'c'].map((id) =>
  createResponder({ id, bodyBytes: 60, delay: 0, served, makeSession: () => `s${sessionsMade++}` }),
);
const agent = new Agent({ keepAlive: true });
const fronts: Server[] = [];

before(() => Promise.all(backends.map((backend) => once(backend.listen(0, '127.0.0.1'), 'listening'))));
after(() => {
  agent.destroy();
  for (const server of [...fronts, ...backends]) server.close();
});

/** A proxy that sends each request to the backend whose index `choose` returns. */
async function front(choose: (cookie: string, turn: number) => number, name = 'sid'): Promise<Target> {
  let turn = 0;
  const server = createServer((incoming, outgoing) => {
    const cookie = /sid=s(\d+)/.exec(incoming.headers.cookie ?? '')?.[1] ?? '';
    const { port } = backends[choose(cookie, turn++)]!.address() as AddressInfo;
    const onward = request({ host: '127.0.0.1', port, path: incoming.url, agent }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    onward.end();
  });
  fronts.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const proxy = { name: 'front', cookies: [name], binding: 'first-request' } as const;
  return { port, proxy, backends: 3, bodyBytes: 60, tls: false };
}

test('sessions that stick are begun, one cookie each, over all backends', async () => {
  const target = await front((cookie, turn) => (cookie === '' ? turn % 3 : Number(cookie) % 3));
  const sessions = await beginSessions(target, 32);
  assert.equal(new Set(sessions.map(({ mark }) => mark?.[1])).size, 32);
  await verifySessions(target, sessions);
});

test('a proxy that spreads the requests of a session is refused', async () => {
  await assert.rejects(
    beginSessions(await front((_, turn) => turn % 3), 32),
    /front does not stick: session \d+ is at/,
  );
});

test('a proxy that answers from another backend than the one that began the session is refused', async () => {
  const target = await front((cookie) => (cookie === '' ? 0 : Number(cookie) % 3));
  const bound: Target = { ...target, proxy: { ...target.proxy, binding: 'first-response' } };
  await assert.rejects(beginSessions(bound, 32), /does not stick/);
});

test('a proxy that uses one backend only is refused', async () => {
  await assert.rejects(beginSessions(await front(() => 1), 32), /32 sessions on 1 of 3 backends/);
});

test('a proxy that never gives its cookie, or cuts the body, is refused', async () => {
  await assert.rejects(beginSessions(await front(() => 1, 'other'), 32), /without the cookie other=/);
  const target = await front(() => 1);
  await assert.rejects(beginSessions({ ...target, bodyBytes: 61 }, 32), /60 bytes, backend [abc]; expected 200 and 61/);
});

/**
 * Sends `parts` one after the other, each when the answers to the ones before have come, and returns all that came
 * until the end.
 */
async function talk(parts: readonly string[], served: Served): Promise<string> {
  const backend = createResponder({ id: 'a', bodyBytes: 60, delay: 0, served, makeSession: () => 's1' });
  await once(backend.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((backend.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  let sent = 0;
  const next = () => socket.write(parts[sent++] ?? 'DELETE / HTTP/1.1\r\n\r\n');
  let due = parts[0]!.split('HTTP/1.1').length;
  socket.on('data', (chunk) => {
    received += chunk;
    if (received.split('HTTP/1.1 ').length < due) return;
    due += (parts[sent] ?? '').split('HTTP/1.1').length - 1;
    next();
  });
  next();
  await once(socket, 'close');
  backend.close();
  return received;
}

test('a backend answers pipelined and split requests, counts them, and hangs up on what is neither GET nor POST', async () => {
  const counted: Served = { requests: 0 };
  const first = 'GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /login HTTP/1.1\r\nHost: x\r\n\r\nGET ';
  const received = await talk([first, '/ HTTP/1.1\r\n\r\n'], counted);
  assert.equal(counted.requests, 3);
  assert.equal(received.match(/X-Backend: a\r\n/g)?.length, 3);
  assert.equal(received.match(/Set-Cookie: sid=s\d+; Path=\/; HttpOnly\r\n/g)?.length, 1);
});

test('a backend answers an upload at its end, by its length and chunked', async () => {
  const counted: Served = { requests: 0 };
  const length = 'POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789';
  const chunked = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n\r\n\r\n!\r\n0\r\nTrailer: x\r\n\r\n';
  const received = await talk([`${length}${chunked}`, length], counted);
  assert.equal(counted.requests, 3);
  assert.equal(received.match(/HTTP\/1\.1 200 OK/g)?.length, 3);
});

test('a body is skipped however it is cut', () => {
  const body = '5\r\nabcde\r\n1\r\n\n\r\n0\r\n\r\n';
  for (let cut = 0; cut <= body.length; cut++) {
    const skipper = new BodySkipper('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n');
    const left = skipper.skip(Buffer.from(body.slice(0, cut)));
    assert.equal(left.length, 0);
    assert.equal(skipper.skip(Buffer.from(`${body.slice(cut)}GET`)).toString(), 'GET');
    assert.ok(skipper.done);
  }
});
