import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { Certificates } from '../support/certificates.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { proxyV1, proxyV2, tcp4, tcp6, tlv } from '../support/proxy-header.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';
import { tlsVisit } from '../support/tls-client.ts';

const run = promisify(execFile);
const backend = new HttpBackend('a');
const made = new Certificates();
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

before(async () => {
  made.make('edge', { names: ['edge.example'] });
  await backend.start();
});
after(async () => {
  await backend.stop();
  made.remove();
});

async function start(t: TestContext, listener: string, trusted = '["127.0.0.1"]'): Promise<LimpetProcess> {
  const limpet = await startLimpetProcess(
    `workers: 1\nlisteners: [{ bind: "127.0.0.1:0", ${listener} }]\ntrustedProxies: ${trusted}\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
  );
  t.after(limpet.stop);
  return limpet;
}

async function open(t: TestContext, limpet: LimpetProcess, from?: string): Promise<RawClient> {
  const client = await RawClient.open(limpet.port, from);
  t.after(() => client.close());
  return client;
}

/** What the backend hears of the client when these bytes are sent, all at once. */
async function heard(
  t: TestContext,
  limpet: LimpetProcess,
  bytes: string | Buffer,
  request = REQUEST,
): Promise<string> {
  const client = await open(t, limpet);
  client.send(Buffer.concat([Buffer.from(bytes as string, 'latin1'), Buffer.from(request)]));
  assert.match(await client.until(isWhole, 20_000), /^HTTP\/1\.1 200 /);
  return String(backend.seen.at(-1)!.headers['x-forwarded-for']);
}

const refusals = (limpet: LimpetProcess, reason: string): Promise<number> =>
  new Admin(limpet.admin).metric('limpet_refused_connections_total', { reason });

test('65: the client is the one that the PROXY header names, for every request of its connection', async (t) => {
  const limpet = await start(t, 'proxyProtocol: any');
  assert.equal(await heard(t, limpet, proxyV1('192.0.2.7')), '192.0.2.7');
  assert.equal(await heard(t, limpet, proxyV1('2001:db8::7')), '2001:db8::7');
  assert.equal(await heard(t, limpet, proxyV2(0x21, 0x11, tcp4('192.0.2.8'))), '192.0.2.8');
  assert.equal(await heard(t, limpet, proxyV2(0x21, 0x21, tcp6(`20010db8${'0'.repeat(23)}9`))), '2001:db8::9');
  const tlvs = Buffer.concat([tcp4('192.0.2.9'), tlv(0xea, Buffer.alloc(60_000, 1))]);
  assert.equal(await heard(t, limpet, proxyV2(0x21, 0x11, tlvs)), '192.0.2.9');
  assert.equal(await heard(t, limpet, proxyV2(0x20, 0, Buffer.alloc(0))), '127.0.0.1', 'LOCAL: the proxy itself');
  assert.equal(await heard(t, limpet, 'PROXY UNKNOWN\r\n'), '127.0.0.1');
  const lies = 'GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n';
  assert.equal(
    await heard(t, limpet, proxyV1('192.0.2.7'), lies),
    '192.0.2.7',
    'the client itself is no trusted proxy',
  );

  const client = await open(t, limpet);
  for (const byte of proxyV1('192.0.2.44') + REQUEST) client.send(byte);
  await client.until(isWhole, 20_000);
  client.text = '';
  client.send(REQUEST);
  await client.until(isWhole, 20_000);
  assert.equal(backend.seen.at(-1)!.headers['x-forwarded-for'], '192.0.2.44');
});

test('a body that comes with the header reaches the backend whole', async (t) => {
  const limpet = await start(t, 'proxyProtocol: v2');
  const client = await open(t, limpet);
  const size = 300_000;
  client.send(proxyV2(0x21, 0x11, tcp4('192.0.2.8')));
  client.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n${'b'.repeat(size)}`);
  assert.match(await client.until(isWhole, 20_000), new RegExp(`"bytes":${size}`));
});

test('a connection without a header, or with another one than is wanted, is closed and counted', async (t) => {
  const limpet = await start(t, 'proxyProtocol: v2, timeouts: { header: 1s }');
  const seen = backend.seen.length;
  for (const bytes of [REQUEST, proxyV1('192.0.2.7') + REQUEST, proxyV2(0x29, 0x11, tcp4('192.0.2.7'))]) {
    const client = await open(t, limpet);
    client.send(bytes);
    assert.equal(await client.end(20_000), '');
  }
  const slow = await open(t, limpet);
  slow.send(proxyV2(0x21, 0x11, tcp4('192.0.2.7')).subarray(0, 20));
  assert.equal(await slow.end(20_000), '', 'a header that never ends');
  const gone = await open(t, limpet);
  gone.send('\r\n');
  gone.socket.end();
  assert.equal(await gone.end(20_000), '');
  await eventually('three bad headers counted', async () => (await refusals(limpet, 'proxy-header')) === 3);
  await eventually('a slow one counted', async () => (await refusals(limpet, 'proxy-timeout')) === 1);
  assert.equal(backend.seen.length, seen);
  await eventually('all of them gone', async () => (await new Admin(limpet.admin).connections()) === 0);
  await limpet.logged(
    (line) => String(line.msg).startsWith('connection closed: no PROXY header') && line.level === 'warn',
  );
});

test('65: an address that is not trusted is refused before a byte is read', async (t) => {
  const limpet = await start(t, 'proxyProtocol: any', '["127.0.0.2"]');
  const stranger = await open(t, limpet);
  assert.equal(await stranger.end(20_000), '');
  const proxy = await open(t, limpet, '127.0.0.2');
  proxy.send(proxyV1('192.0.2.7') + REQUEST);
  assert.match(await proxy.until(isWhole, 20_000), /^HTTP\/1\.1 200 /);
  await eventually('the stranger counted', async () => (await refusals(limpet, 'proxy-untrusted')) === 1);
});

test('connectionsPerIp counts the clients behind the proxy, not the proxy', async (t) => {
  const limpet = await start(t, 'proxyProtocol: v1, limits: { connectionsPerIp: 2 }');
  const kept: RawClient[] = [];
  for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.3']) {
    const client = await open(t, limpet);
    client.send(proxyV1(address) + REQUEST);
    await client.until(isWhole, 20_000);
    kept.push(client);
  }
  const third = await open(t, limpet);
  third.send(proxyV1('192.0.2.1') + REQUEST);
  assert.equal(await third.end(20_000), '');
  for (const client of kept) client.close();
  const admin = new Admin(limpet.admin);
  await eventually('all of them gone', async () => (await admin.connections()) === 0);
  assert.equal(await heard(t, limpet, proxyV1('192.0.2.1')), '192.0.2.1');
});

test('the header comes before the TLS handshake', async (t) => {
  const tls = `tls: { certificates: [{ cert: "${made.path('edge.pem')}", key: "${made.path('edge.key')}" }] }`;
  const limpet = await start(t, `proxyProtocol: any, ${tls}`);
  for (const header of [proxyV1('192.0.2.7'), proxyV2(0x21, 0x11, tcp4('192.0.2.7'))]) {
    const client = await open(t, limpet);
    client.send(header);
    client.socket.removeAllListeners('data');
    const { text } = await tlsVisit(limpet.port, { socket: client.socket });
    assert.match(text, /^HTTP\/1\.1 200 /);
    const { headers } = backend.seen.at(-1)!;
    assert.equal(`${String(headers['x-forwarded-for'])} ${String(headers['x-forwarded-proto'])}`, '192.0.2.7 https');
  }
});

test('curl --haproxy-protocol works, over HTTP/1.1 and HTTP/2', async (t) => {
  const limpet = await start(t, 'proxyProtocol: v1, h2c: true');
  for (const option of ['--http1.1', '--http2-prior-knowledge']) {
    const curl = ['-sS', '--max-time', '20', option, '--haproxy-protocol', '-w', '%{http_code} %{http_version}'];
    const { stdout } = await run('curl', [...curl, `${limpet.url}/`]);
    assert.match(stdout, option === '--http1.1' ? /200 1\.1$/ : /200 2$/);
    assert.equal(backend.seen.at(-1)!.headers['x-forwarded-for'], '127.0.0.1');
  }
});

test('44: a reload switches it on and off for new connections', async (t) => {
  const limpet = await start(t, 'proxyProtocol: off');
  const file = new ConfigFile(limpet);
  const before = await open(t, limpet);
  before.send(REQUEST);
  await before.until(isWhole, 20_000);
  file.replace('proxyProtocol: off', 'proxyProtocol: v1');
  await file.reload('api');
  assert.equal(await heard(t, limpet, proxyV1('192.0.2.7')), '192.0.2.7');
  before.text = '';
  before.send(REQUEST);
  assert.match(await before.until(isWhole, 20_000), /^HTTP\/1\.1 200 /);
  file.replace('proxyProtocol: v1', 'proxyProtocol: off');
  await file.reload('api');
  assert.equal((await ask(limpet.url)).status, 200);
});
