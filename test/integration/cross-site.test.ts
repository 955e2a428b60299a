import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { WebSocketBackend } from '../support/websocket-backend.ts';

const EVIL = 'https://evil.example';
const PARTNER = 'https://partner.example';

describe('requests that another site makes a browser send', () => {
  let backend: HttpBackend;
  let chat: WebSocketBackend;
  let limpet: LimpetProcess;

  before(async () => {
    backend = await new HttpBackend('a').start();
    chat = await new WebSocketBackend('chat', (socket) => socket.send('hello')).start();
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'trustedProxies: [127.0.0.2/32]',
        'routes:',
        `  - { match: { path: /chat }, pool: chat, csrf: reject-cross-site, allowOrigins: ["${PARTNER}"] }`,
        '  - { match: { path: /open }, pool: shop }',
        `  - { pool: shop, csrf: reject-cross-site, allowOrigins: ["${PARTNER}"] }`,
        'pools:',
        `  shop: { backends: [{ id: a, url: "${backend.url}" }] }`,
        `  chat: { backends: [{ id: chat, url: "${chat.url}" }], affinity: [{ by: cookie, name: chat }] }`,
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    await backend?.stop();
    await chat?.stop();
  });

  async function post(headers: Record<string, string>, path = '/', method = 'POST'): Promise<string> {
    const { status, code } = await ask(limpet.url + path, { method, headers });
    return code === '' ? String(status) : `${status} ${code}`;
  }

  test('are refused with 403 before a backend or a session sees them, by Sec-Fetch-Site or by Origin', async () => {
    backend.seen.length = 0;
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      assert.equal(await post({ 'sec-fetch-site': 'cross-site', origin: EVIL }, '/', method), '403 CROSS_SITE');
      assert.equal(await post({ origin: EVIL }, '/', method), '403 CROSS_SITE');
    }
    assert.equal(await post({ 'sec-fetch-site': 'same-site' }), '403 CROSS_SITE');
    assert.equal(await post({ origin: 'null' }), '403 CROSS_SITE');
    assert.equal(backend.seen.length, 0);
    const admin = new Admin(limpet.admin);
    assert.deepEqual(await admin.sessions('shop'), []);
    await eventually(
      'the metric to count them all',
      async () => (await admin.metric('limpet_errors_total', { code: 'CROSS_SITE' })) === 10,
    );
  });

  test('the site’s own, those of origins on the list, those of no browser and safe ones pass', async () => {
    assert.equal(await post({ 'sec-fetch-site': 'same-origin', origin: limpet.url }), '200');
    assert.equal(await post({ 'sec-fetch-site': 'none' }), '200');
    assert.equal(await post({ origin: limpet.url }), '200');
    assert.equal(await post({ 'sec-fetch-site': 'cross-site', origin: PARTNER }), '200');
    assert.equal(await post({ origin: PARTNER }), '200');
    assert.equal(await post({}), '200');
    assert.equal(await post({ 'sec-fetch-site': 'cross-site', origin: EVIL }, '/', 'GET'), '200');
    assert.equal(await post({ 'sec-fetch-site': 'cross-site', origin: EVIL }, '/open'), '200', 'csrf is off there');
  });

  test('behind a trusted proxy the host that the client asked for counts, from anybody else it does not', async () => {
    const forwarded = { origin: 'https://www.shop.example', 'x-forwarded-host': 'www.shop.example' };
    assert.equal(await post(forwarded), '403 CROSS_SITE');
    const { status } = await ask(limpet.url, { method: 'POST', headers: forwarded, localAddress: '127.0.0.2' });
    assert.equal(status, 200);
    const element = { origin: 'https://www.shop.example', forwarded: 'for=192.0.2.1;host=www.shop.example' };
    assert.equal((await ask(limpet.url, { method: 'POST', headers: element, localAddress: '127.0.0.2' })).status, 200);
    const evil = { ...forwarded, origin: EVIL };
    assert.equal(
      (await ask(limpet.url, { method: 'POST', headers: evil, localAddress: '127.0.0.2' })).code,
      'CROSS_SITE',
    );
  });

  test('no other site opens a WebSocket', async () => {
    const open = async (headers: Record<string, string>): Promise<string> => {
      const socket = new WebSocket(`${limpet.url.replace('http', 'ws')}/chat`, { headers });
      const refused = once(socket, 'unexpected-response').then(([, response]) => {
        response.resume();
        return `${response.statusCode} ${response.headers['limpet-error']}`;
      });
      const opened = once(socket, 'message').then(([data]) => String(data));
      refused.catch(() => {});
      opened.catch(() => {});
      try {
        return await Promise.race([refused, opened]);
      } finally {
        socket.on('error', () => {});
        socket.terminate();
      }
    };
    assert.equal(await open({ origin: EVIL }), '403 CROSS_SITE');
    assert.equal(await open({ origin: EVIL, 'sec-fetch-site': 'cross-site' }), '403 CROSS_SITE');
    assert.equal(await open({ origin: 'null' }), '403 CROSS_SITE');
    assert.equal(await open({ origin: limpet.url }), 'hello');
    assert.equal(await open({ origin: PARTNER, 'sec-fetch-site': 'cross-site' }), 'hello');
    assert.equal(await open({}), 'hello');
  });
});
