import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Admin } from '../support/admin.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const backend = new HttpBackend('a');
const directory = mkdtempSync(join(tmpdir(), 'limpet-unix-'));
let nth = 0;

before(() => backend.start());
after(async () => {
  await backend.stop();
  rmSync(directory, { recursive: true, force: true });
});

const freshPath = (): string => join(directory, `${nth++}.sock`);
const config = (path: string, more = '', listener = ''): string =>
  `workers: 2\nlisteners: [{ bind: "unix:${path}"${listener} }]\n${more}pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`;

async function start(t: TestContext, yaml: string, args: string[] = []): Promise<LimpetProcess> {
  const limpet = await startLimpetProcess(yaml, { args });
  t.after(limpet.stop);
  return limpet;
}

/** Status and body of an answer over the socket; rejects when nobody answers. */
function askAt(socketPath: string, headers: Record<string, string> = {}, body = ''): Promise<[number, string]> {
  const { promise, resolve, reject } = Promise.withResolvers<[number, string]>();
  const method = body === '' ? 'GET' : 'POST';
  const outgoing = request({ socketPath, path: '/', method, headers, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    response.on('error', reject).on('end', () => resolve([response.statusCode ?? 0, text]));
  });
  outgoing.on('error', reject).end(body);
  return promise;
}

test('requests pass over a unix socket that owner and group may open, and that is removed at the stop', async (t) => {
  const path = freshPath();
  const limpet = await start(t, config(path));
  assert.equal(limpet.url, `unix:${path}`);
  assert.equal(statSync(path).mode & 0o777, 0o660);
  const body = 'x'.repeat(3_000_000);
  for (let i = 0; i < 5; i++) {
    const [status, text] = await askAt(path, { 'x-forwarded-for': '192.0.2.1' }, body);
    assert.equal(status, 200);
    assert.match(text, new RegExp(`"bytes":${body.length}`));
    assert.equal(backend.seen.at(-1)!.headers['x-forwarded-for'], undefined, 'the client has no address');
    assert.match(String(backend.seen.at(-1)!.headers.forwarded), /^for=unknown/);
  }
  const { stdout } = await promisify(execFile)('curl', ['-sS', '--max-time', '20', '--unix-socket', path, 'http://x/']);
  assert.match(stdout, /"id":"a"/);
  const admin = new Admin(limpet.admin);
  await eventually('all connections to be gone', async () => (await admin.connections()) === 0);
  await limpet.stop();
  assert.equal(existsSync(path), false);
});

test('65: the program behind a unix socket is believed when trustedProxies names unix:', async (t) => {
  const path = freshPath();
  await start(t, config(path, 'trustedProxies: ["unix:"]\n'));
  assert.equal((await askAt(path, { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' }))[0], 200);
  const { headers } = backend.seen.at(-1)!;
  assert.equal(`${String(headers['x-forwarded-for'])} ${String(headers['x-forwarded-proto'])}`, '192.0.2.1 https');
});

test('curl --haproxy-protocol works over a unix socket, also with a header of HTTP/1.0', async (t) => {
  const path = freshPath();
  await start(t, config(path, 'trustedProxies: ["unix:"]\n', ', proxyProtocol: any'));
  for (const option of ['--http1.1', '--http1.0']) {
    const curl = ['-sS', '--max-time', '20', option, '--haproxy-protocol', '--unix-socket', path, 'http://x/'];
    assert.match((await promisify(execFile)('curl', curl)).stdout, /"id":"a"/);
  }
});

test('a socket that a killed limpet left is replaced; one in use, a file and a missing folder are errors', async (t) => {
  const path = freshPath();
  const first = await start(t, config(path));
  first.process.kill('SIGKILL');
  await eventually('its end', () => first.process.signalCode !== null);
  assert.equal(lstatSync(path).isSocket(), true);
  const second = await start(t, config(path));
  assert.equal((await askAt(path))[0], 200);
  await assert.rejects(startLimpetProcess(config(path)), /another process listens on .*--take-over/);
  assert.equal((await askAt(path))[0], 200);
  await second.stop();

  const other = createServer((socket) => socket.end()).listen(path);
  t.after(() => other.close());
  await assert.rejects(startLimpetProcess(config(path)), /another process listens on/);
  const file = freshPath();
  writeFileSync(file, 'precious');
  await assert.rejects(startLimpetProcess(config(file)), /is there already and is not a socket: remove it/);
  await assert.rejects(
    startLimpetProcess(config(join(directory, 'none', 'x.sock'))),
    /the folder of .* is not there: make it/,
  );
});

test('47: a limpet that takes over has the socket without a refused connection, and keeps it when the old one ends', async (t) => {
  const path = freshPath();
  const shared = `sessions: { snapshot: "${join(directory, 'rows')}" }\nadmin: { bind: "unix:${join(directory, 'admin.sock')}" }\n`;
  const old = await start(t, config(path, shared));
  let refused = 0;
  let answered = 0;
  let done = false;
  const asking = (async () => {
    while (!done) {
      await askAt(path).then(
        ([status]) => (status === 200 ? answered++ : refused++),
        () => refused++,
      );
    }
  })();
  await eventually('first answers', () => answered > 10);
  const next = await start(t, config(path, shared), ['--take-over']);
  await eventually('the end of the old one', () => old.process.exitCode === 0, 30_000);
  const before = answered;
  await eventually('answers of the new one', () => answered > before + 10);
  done = true;
  await asking;
  assert.equal(refused, 0);
  await next.stop();
  assert.equal(existsSync(path), false);
});

test('44: a reload adds and removes unix sockets; what is under way on a removed one ends well', async (t) => {
  const [one, other] = [freshPath(), freshPath()];
  const limpet = await start(t, config(one));
  const file = new ConfigFile(limpet);
  const answer: (() => void)[] = [];
  backend.answer = (_request, response) => void answer.push(() => response.end('late'));
  t.after(() => {
    backend.answer = echo;
  });
  const late = askAt(one);
  await eventually('the request at the backend', () => answer.length === 1);
  backend.answer = echo;
  file.replace(one, other);
  await file.reload('api');
  assert.equal((await askAt(other))[0], 200);
  assert.equal(existsSync(one), false);
  answer[0]!();
  assert.deepEqual(await late, [200, 'late']);
});
