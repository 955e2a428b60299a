import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type ShopServer, startShopServer } from '../../src/demo/shop-server.ts';
import { type Refusal, type ShopState, Visitor } from './visitor.ts';

const secret = 'a secret of the tests';

async function startAlone(context: TestContext, now?: () => number): Promise<string> {
  const options = { id: 'a', host: '127.0.0.1', port: 0, replica: null, peers: [], secret };
  const shop = await startShopServer(options, now);
  context.after(() => shop.close());
  return `http://127.0.0.1:${shop.port}`;
}

/** Two servers, a copying to b. */
async function startPair(context: TestContext): Promise<{ a: string; b: string; first: ShopServer }> {
  const alone = { host: '127.0.0.1', port: 0, replica: null, peers: [], secret };
  const second = await startShopServer({ ...alone, id: 'b' });
  const b = `http://127.0.0.1:${second.port}`;
  const peer = { id: 'b', url: b };
  const first = await startShopServer({ ...alone, id: 'a', replica: peer, peers: [peer] });
  context.after(() => Promise.all([first.close(), second.close()]));
  return { a: `http://127.0.0.1:${first.port}`, b, first };
}

test('a visitor comes in, fills a cart, logs in under a new id with the same cart, checks out and logs out', async (context) => {
  const shop = await startAlone(context);
  const visitor = new Visitor();

  const first = await visitor.ask('GET', `${shop}/api/state`);
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('x-shop-server'), 'a');
  const line = first.headers.getSetCookie()[0] ?? '';
  assert.match(line, /^shopsid=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
  assert.deepEqual([first.body.server, first.body.pid, first.body.servedHere], ['a', process.pid, 1]);
  assert.equal(first.body.session.startedBecause, 'first-visit');
  assert.equal(first.body.cart.madeAt, null);

  const added = await visitor.ask('POST', `${shop}/api/cart`, { item: 'mug', quantity: 2 });
  assert.deepEqual(added.headers.getSetCookie(), [], 'the cookie goes out once');
  assert.deepEqual([added.body.cart.madeAt, added.body.cart.count, added.body.cart.total], ['a', 2, 2900]);
  await visitor.ask('POST', `${shop}/api/cart`, { item: 'lamp' });
  const removed = await visitor.ask('DELETE', `${shop}/api/cart/lamp`);
  const again = await visitor.ask('DELETE', `${shop}/api/cart/lamp`);
  assert.deepEqual([removed.status, again.status, again.body.cart.count], [200, 200, 2]);

  const planted = visitor.clone();
  const oldId = visitor.cookies.get('shopsid');
  const loggedIn = await visitor.ask('POST', `${shop}/api/login`, { name: '  Ann ' });
  assert.equal(loggedIn.body.user, 'Ann');
  assert.notEqual(visitor.cookies.get('shopsid'), oldId);
  assert.deepEqual([loggedIn.body.cart.count, loggedIn.body.servedHere], [2, 6]);
  assert.deepEqual([loggedIn.headers.get('limpet-session'), loggedIn.headers.get('limpet-user')], ['rotate', 'Ann']);
  const late = await planted.ask<Refusal>('GET', `${shop}/api/state`);
  assert.deepEqual([late.status, late.body.error.code], [409, 'session-changed']);
  assert.deepEqual(late.headers.getSetCookie(), [], 'an answer to the old id must not overwrite the new one');

  const ordered = await visitor.ask('POST', `${shop}/api/checkout`);
  assert.match(ordered.body.orders[0]?.number ?? '', /^A-[0-9A-Z]{6}$/);
  assert.deepEqual([ordered.body.orders[0]?.total, ordered.body.cart.count, ordered.body.cart.madeAt], [2900, 0, null]);

  const kept = visitor.clone();
  const out = await visitor.ask('POST', `${shop}/api/logout`);
  assert.equal(out.headers.get('limpet-session'), 'end');
  assert.match(out.headers.getSetCookie()[0] ?? '', /^shopsid=; Max-Age=0; Path=\/; HttpOnly; SameSite=Lax$/);
  const gone = await kept.ask<Refusal>('GET', `${shop}/api/state`);
  assert.equal(gone.status, 409, 'the session is gone for whoever kept the cookie');
  const fresh = await visitor.ask('GET', `${shop}/api/state`);
  assert.deepEqual([fresh.body.user, fresh.body.orders.length, fresh.body.servedHere], [null, 0, 1]);
});

test('an id that was ended a while ago gets a fresh session with another id', async (context) => {
  let now = 1_000_000;
  const shop = await startAlone(context, () => now);
  const visitor = new Visitor();
  await visitor.ask('GET', `${shop}/api/state`);
  const planted = visitor.clone();
  await visitor.ask('POST', `${shop}/api/login`, { name: 'Ann' });
  now += 5000;
  const state = await planted.ask('GET', `${shop}/api/state`);
  assert.deepEqual([state.status, state.body.user, state.body.session.startedBecause], [200, null, 'first-visit']);
  assert.notEqual(planted.cookies.get('shopsid'), visitor.cookies.get('shopsid'));
});

test('an id that the server does not know gets a fresh session under another id, and the answer says that state was lost', async (context) => {
  const shop = await startAlone(context);
  const visitor = new Visitor();
  const unknown = 'A'.repeat(22);
  visitor.cookies.set('shopsid', unknown);
  const { body } = await visitor.ask('GET', `${shop}/api/state`);
  assert.equal(body.session.startedBecause, 'state-lost');
  assert.notEqual(visitor.cookies.get('shopsid'), unknown);
  const again = await visitor.ask('GET', `${shop}/api/state`);
  assert.deepEqual([again.body.servedHere, again.body.session.name], [2, body.session.name]);
});

test('a session has the name that the load balancer gives it, and no other than an id', async (context) => {
  const shop = await startAlone(context);
  const visitor = new Visitor();
  const name = async (id: string) =>
    (await visitor.ask('GET', `${shop}/api/state`, undefined, { 'limpet-session': id })).body.session.name;
  assert.equal(await name('l0Efa0cekxQ38xIjbjQD_g'), 'l0Efa0cekxQ38xIjbjQD_g');
  assert.match(await name('<b>'), /^[0-9a-f]{8}$/);
});

test('of several cookies of the name the first that is known wins, and a malformed one is no id', async (context) => {
  const shop = await startAlone(context);
  const visitor = new Visitor();
  const { body } = await visitor.ask('GET', `${shop}/api/state`);
  const id = visitor.cookies.get('shopsid');
  const cookie = `shopsid=../../x; other="a=b; c"; shopsid=${'B'.repeat(22)}; shopsid=${id}`;
  const state = await new Visitor().ask('GET', `${shop}/api/state`, undefined, { cookie });
  assert.equal(state.body.session.name, body.session.name);
  const malformed = await new Visitor().ask('GET', `${shop}/api/state`, undefined, { cookie: 'shopsid=short' });
  assert.equal(malformed.body.session.startedBecause, 'first-visit');
});

test('a session whose server is gone goes on at the replica with its cart, and copies are not sessions until then (33)', async (context) => {
  const { a, b, first } = await startPair(context);
  const visitor = new Visitor();
  await visitor.ask('POST', `${a}/api/cart`, { item: 'compass', quantity: 3 });
  const loggedIn = await visitor.ask('POST', `${a}/api/login`, { name: 'Ann' });
  assert.deepEqual(loggedIn.body.copy, { at: 'b', upToDate: true });
  await first.close();
  const headers = { 'limpet-session-moved': 'from=a; reason=backend-down' };
  const moved = await visitor.ask('GET', `${b}/api/state`, undefined, headers);
  assert.deepEqual([moved.status, moved.body.server, moved.body.user], [200, 'b', 'Ann']);
  assert.deepEqual([moved.body.cart.madeAt, moved.body.cart.items[0]?.quantity], ['a', 3]);
  assert.equal(moved.body.moved?.text, 'moved here from a, reason backend-down');
  assert.deepEqual([moved.body.servedHere, moved.headers.getSetCookie()], [1, []]);
  const later = await visitor.ask('GET', `${b}/api/state`);
  assert.equal(later.body.moved?.reason, 'backend-down', 'said once by the load balancer, remembered by the shop');
});

test('the word of a move is remembered whichever request brings it', async (context) => {
  const shop = await startAlone(context);
  for (const path of ['/api/servers', '/api/products', '/', '/shop.js']) {
    const visitor = new Visitor();
    await visitor.ask('GET', `${shop}/api/state`);
    await visitor.ask('GET', shop + path, undefined, { 'limpet-session-moved': 'from=b; reason=drained' });
    const { body } = await visitor.ask('GET', `${shop}/api/state`);
    assert.equal(body.moved?.text, 'moved here from b, reason drained', path);
  }
});

test('bad input is refused with a clear error, and changes nothing', async (context) => {
  const shop = await startAlone(context);
  const visitor = new Visitor();
  await visitor.ask('POST', `${shop}/api/cart`, { item: 'mug', quantity: 97 });
  const cases: [string, string, unknown, number, string][] = [
    ['POST', '/api/cart', '{"item":', 400, 'bad-json'],
    ['POST', '/api/cart', '[]', 400, 'bad-json'],
    ['POST', '/api/cart', 'null', 400, 'bad-json'],
    ['POST', '/api/cart', {}, 422, 'unknown-item'],
    ['POST', '/api/cart', { item: 'submarine' }, 422, 'unknown-item'],
    ['POST', '/api/cart', { item: '__proto__' }, 422, 'unknown-item'],
    ['POST', '/api/cart', { item: 'mug', quantity: 0 }, 422, 'bad-quantity'],
    ['POST', '/api/cart', { item: 'mug', quantity: -1 }, 422, 'bad-quantity'],
    ['POST', '/api/cart', { item: 'mug', quantity: 1.5 }, 422, 'bad-quantity'],
    ['POST', '/api/cart', { item: 'mug', quantity: '3' }, 422, 'bad-quantity'],
    ['POST', '/api/cart', { item: 'mug', quantity: 1e300 }, 422, 'bad-quantity'],
    ['POST', '/api/cart', { item: 'mug', quantity: 3 }, 422, 'bad-quantity'],
    ['DELETE', '/api/cart/submarine', undefined, 422, 'unknown-item'],
    ['DELETE', '/api/cart/%zz', undefined, 400, 'bad-path'],
    ['POST', '/api/login', { name: '   ' }, 422, 'bad-name'],
    ['POST', '/api/login', { name: 'x'.repeat(41) }, 422, 'bad-name'],
    ['POST', '/api/login', { name: 'a\u0000b' }, 422, 'bad-name'],
    ['POST', '/api/login', { name: 7 }, 422, 'bad-name'],
    ['POST', '/api/cart', { item: 'mug', pad: 'x'.repeat(16 * 1024) }, 413, 'body-too-large'],
    ['POST', '/api/cart', { pad: 'x'.repeat(3 * 1024 * 1024) }, 413, 'body-too-large'],
    ['GET', '/api/cart', undefined, 405, 'method-not-allowed'],
    ['PUT', '/', {}, 405, 'method-not-allowed'],
    ['GET', '/nothing', undefined, 404, 'not-found'],
    ['GET', '/%2e%2e/shop-main.ts', undefined, 404, 'not-found'],
  ];
  for (const [method, path, body, status, code] of cases) {
    const answer = await visitor.ask<Refusal>(method, shop + path, body);
    assert.deepEqual(
      [answer.status, answer.body.error?.code],
      [status, code],
      `${method} ${path} ${String(body).slice(0, 40)}`,
    );
    assert.equal(answer.headers.get('x-shop-server'), 'a');
    assert.ok(answer.body.error.message.length > 10);
  }
  const form = await visitor.ask<Refusal>('POST', `${shop}/api/cart`, 'item=mug', {
    'content-type': 'application/x-www-form-urlencoded',
  });
  assert.deepEqual([form.status, form.body.error.code], [415, 'not-json']);
  const empty = await new Visitor().ask<Refusal>('POST', `${shop}/api/checkout`);
  assert.deepEqual([empty.status, empty.body.error.code], [409, 'cart-empty']);
  const { body } = await visitor.ask('GET', `${shop}/api/state`);
  assert.deepEqual([body.cart.count, body.user], [97, null]);
});

test('bytes that are not HTTP and bodies that break off leave the server answering (69)', async (context) => {
  const shop = await startAlone(context);
  const { port } = new URL(shop);
  const head =
    'POST /api/cart HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"item"';
  for (const bytes of ['\0\0garbage\r\n\r\n', head, 'GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(bytes);
    socket.resume();
    await new Promise((resolve) => socket.on('close', resolve).on('error', resolve));
  }
  assert.equal((await new Visitor().ask('GET', `${shop}/healthz`)).status, 200);
});

test('the internal paths do not exist for whoever has no secret', async (context) => {
  const shop = await startAlone(context);
  const visitor = new Visitor();
  await visitor.ask('POST', `${shop}/api/cart`, { item: 'mug' });
  const id = visitor.cookies.get('shopsid') ?? '';
  const stolen = { copies: [{ id, version: 1_000_000, state: null }] };
  for (const headers of [{}, { 'x-shop-secret': 'guess' }, { 'x-shop-secret': 'a secret of the testX' }]) {
    const copy = await visitor.ask<Refusal>('POST', `${shop}/internal/copy`, stolen, headers);
    assert.deepEqual([copy.status, copy.body.error.code], [404, 'not-found']);
    const status = await visitor.ask<Refusal>('GET', `${shop}/internal/status`, undefined, headers);
    assert.equal(status.status, 404);
  }
  assert.equal((await visitor.ask('GET', `${shop}/api/state`)).body.cart.count, 1);
});

test('a copy over the internal path never replaces a newer session, and one without the right form is refused', async (context) => {
  const { a, b } = await startPair(context);
  const visitor = new Visitor();
  await visitor.ask('POST', `${a}/api/cart`, { item: 'mug', quantity: 5 });
  const id = visitor.cookies.get('shopsid') ?? '';
  const headers = { 'x-shop-secret': secret };
  const state = {
    user: null,
    cart: [],
    cartMadeAt: null,
    startedAt: 0,
    startedBy: 'a',
    startedBecause: 'first-visit',
    moves: [],
    orders: [],
  };
  const older = await visitor.ask<{ taken: number; older: number }>(
    'POST',
    `${b}/internal/copy`,
    { copies: [{ id, version: 1, state }] },
    headers,
  );
  assert.deepEqual([older.body.taken, older.body.older], [0, 1]);
  const { moves: _, ...part } = state;
  for (const copies of [undefined, [null], [{ id, version: 'x', state }], [{ id, version: 9, state: part }]]) {
    const refused = await visitor.ask<Refusal>('POST', `${b}/internal/copy`, { copies }, headers);
    assert.deepEqual([refused.status, refused.body.error.code], [422, 'bad-copy']);
  }
  assert.equal((await visitor.ask('GET', `${b}/api/state`)).body.cart.count, 5);
});

test('each server shows all servers: itself at once, the others as it finds them', async (context) => {
  const { a } = await startPair(context);
  const visitor = new Visitor();
  type Panel = { servers: { id: string; up: boolean | null; pid: number | null; sessions: number; copies: number }[] };
  const panel = async () => (await visitor.ask<Panel>('GET', `${a}/api/servers`)).body.servers;
  let servers = await panel();
  while (servers[1]?.up === null && !context.signal.aborted) servers = await panel();
  assert.deepEqual(servers[0], { id: 'a', up: true, pid: process.pid, sessions: 0, copies: 0 });
  assert.deepEqual([servers[1]?.id, servers[1]?.up, servers[1]?.pid], ['b', true, process.pid]);
  assert.equal(visitor.cookies.size, 0, 'looking makes no session');
});

test('the event stream ticks with the name of the server', async (context) => {
  const shop = await startAlone(context);
  const text = await new Promise<string>((resolve, reject) => {
    const request = httpRequest(`${shop}/api/events`, (response) => {
      assert.equal(response.headers['content-type'], 'text/event-stream');
      response.setEncoding('utf8');
      let all = '';
      response.on('error', () => {}); // Cut by this side when it has seen enough.
      response.on('data', (chunk: string) => {
        all += chunk;
        if (!all.includes('"tick":1')) return;
        resolve(all);
        request.destroy();
      });
    });
    request.on('error', reject);
    request.end();
  });
  assert.match(text, /^retry: 1000\n\nevent: tick\nid: a-0\ndata: \{"server":"a","tick":0\}\n\n/);
});

test('the page and its files come from the server itself and name no other place', async (context) => {
  const shop = await startAlone(context);
  const visitor = new Visitor();
  const page = await visitor.ask<string>('GET', `${shop}/`);
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.equal(visitor.cookies.size, 1);
  const seen = new Set<string>();
  const queue = ['/', ...[...page.body.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] ?? '')];
  for (const path of queue) {
    if (seen.has(path)) continue;
    seen.add(path);
    const file = await visitor.ask<string>('GET', shop + path);
    assert.equal(file.status, 200, path);
    assert.doesNotMatch(file.body.replaceAll('http://www.w3.org/', ''), /https?:\/\/|url\(|@import/, path);
    for (const match of file.body.matchAll(/from '\.(\/[\w-]+\.js)'/g)) queue.push(match[1] ?? '');
  }
  assert.ok(seen.has('/view.js') && seen.has('/base.css'), [...seen].join(' '));
  const etag = (await visitor.ask('GET', `${shop}/shop.js`)).headers.get('etag') ?? '';
  const unchanged = await visitor.ask('GET', `${shop}/shop.js`, undefined, { 'if-none-match': etag });
  assert.equal(unchanged.status, 304);
});

test('the cookie is Secure when the visitor came over TLS', async (context) => {
  const shop = await startAlone(context);
  const state = await new Visitor().ask<ShopState>('GET', `${shop}/api/state`, undefined, {
    'x-forwarded-proto': 'https',
  });
  assert.match(state.headers.getSetCookie()[0] ?? '', /; Secure$/);
});
