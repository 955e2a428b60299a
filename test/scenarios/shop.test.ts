import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import type { AppProcess } from '../support/app-process.ts';
import { type Answered, ask } from '../support/ask.ts';
import type { LimpetProcess } from '../support/limpet.ts';
import { copyToNext, startExampleFile, startServers } from './start-scenario.ts';
import { texts, Visitor } from './visitor.ts';

/** What the proxy in front, where TLS ends, says of each request. */
const FRONT = { host: 'shop.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.7' };

/** The Set-Cookie lines of limpet's own cookie. */
function limpetLines({ headers }: Answered): string[] {
  return (headers['set-cookie'] ?? []).filter((line) => line.startsWith('shop='));
}

describe('shop: a cart from a stranger’s first click to the log-out, with three servers and 2 workers', () => {
  let apps: AppProcess[];
  let limpet: LimpetProcess;
  let admin: Admin;
  let ada: Visitor;
  /** Where her session began. */
  let home: string;
  /** What her browser had before the log-in, and at the end. */
  let former: string;
  let last: string;

  before(async () => {
    apps = await startServers('shop');
    await copyToNext(apps);
    limpet = await startExampleFile('shop', apps, { PROXIES: '127.0.0.1/32' });
    admin = new Admin(limpet.admin);
    ada = new Visitor(limpet.url, FRONT);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all((apps ?? []).map((app) => app.kill()));
  });

  /** Somebody who only has these cookies, and whose client says nothing else of itself. */
  const holder = (cookie: string, path: string, more: Record<string, string> = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers: { ...FRONT, cookie, ...more } });
  const sessionsOf = async (user: string): Promise<{ backend: string; moves: number }[]> => {
    const answer = await ask(`${limpet.admin}/api/v1/sessions?user=${user}`);
    return (JSON.parse(answer.body) as { sessions: { backend: string; moves: number }[] }).sessions;
  };

  test('a stranger fills a cart: one server, one cookie, none for pictures (2, 8, 10)', async () => {
    const picture = await ask(`${limpet.url}/static/logo.svg`, { headers: FRONT });
    assert.deepEqual([picture.status, picture.headers['set-cookie']], [200, undefined]);
    assert.equal(picture.headers['cache-control'], 'public, max-age=3600');

    const first = await ada.open('/');
    home = first.backend;
    const [line, ...others] = limpetLines(first);
    assert.deepEqual(others, []);
    assert.match(line!, /^shop=[\w-]+; Path=\/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax$/);
    for (const item of ['lamp', 'chair', 'table']) await ada.send('/cart', { item });
    assert.deepEqual(texts(await ada.open('/cart'), 'li'), ['lamp', 'chair', 'table']);
    for (const answer of ada.seen) assert.equal(answer.backend, home);
    for (const answer of ada.seen.slice(1)) assert.deepEqual(limpetLines(answer), []);
  });

  test('a page of another site fills nobody’s cart', async () => {
    const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
    const options = { method: 'POST', headers: { ...FRONT, ...foreign, cookie: ada.cookies }, body: 'item=rock' };
    const answer = await ask(`${limpet.url}/cart`, options);
    assert.deepEqual([answer.status, answer.code], [403, 'CROSS_SITE']);
    assert.deepEqual(texts(await ada.open('/cart'), 'li'), ['lamp', 'chair', 'table']);
  });

  test('the log-in gives her another id and keeps the cart; a wrong password does neither; the old id is refused (3, 24)', async () => {
    former = ada.cookies;
    const wrong = await ada.send('/login', { user: 'ada', password: 'byron' });
    assert.deepEqual([wrong.status, ada.cookies], [401, former]);

    const inside = await ada.send('/login', { user: 'ada', password: 'lovelace' });
    const [redirect] = ada.seen.slice(-2);
    assert.equal(redirect!.status, 303);
    assert.equal(limpetLines(redirect!).length, 1);
    assert.notEqual(`shop=${ada.cookie('shop')}`.slice(0, 29), /shop=[^;]*/.exec(former)![0].slice(0, 29));
    assert.deepEqual([inside.backend, texts(inside, 'h1')], [home, ['ada']]);
    assert.deepEqual(texts(inside, 'li'), ['lamp', 'chair', 'table']);
    assert.equal((await sessionsOf('ada')).length, 1);

    // With the old cookies, whoever has them; also one whose browser says that it is the shop's own page that asks.
    const outside = await holder(former, '/cart');
    assert.deepEqual([texts(outside, 'h1'), texts(outside, 'li')], [['stranger'], []]);
    assert.equal(limpetLines(outside).length, 1);
    const late = await holder(former, '/cart', { 'sec-fetch-site': 'same-origin' });
    assert.deepEqual([texts(late, 'h1'), texts(late, 'li')], [['stranger'], []]);
    assert.equal((await sessionsOf('ada')).length, 1);
  });

  test('her server dies between cart and check-out: the replica has the cart (27, 28, 33)', async () => {
    const at = apps.findIndex(({ id }) => id === home);
    const replica = apps[(at + 1) % apps.length]!.id;
    await apps[at]!.kill();

    const form = await ada.open('/checkout');
    assert.deepEqual([form.status, form.backend], [200, replica]);
    assert.deepEqual([texts(form, 'h1'), texts(form, 'em')], [['ada'], [`from=${home}; reason=backend-down`]]);
    assert.deepEqual(texts(form, 'li'), ['lamp', 'chair', 'table']);
    assert.equal(limpetLines(form).length, 1);

    const orders = await ada.send('/checkout');
    assert.deepEqual([orders.backend, texts(orders, 'li')], [replica, ['lamp, chair, table']]);
    assert.deepEqual(texts(orders, 'em'), [], 'told once');
    assert.deepEqual(texts(await ada.open('/cart'), 'li'), []);
    const [session] = await sessionsOf('ada');
    assert.deepEqual([session!.backend, session!.moves], [replica, 1]);
  });

  test('the log-out ends the session: the cookie is cleared, and the old one begins a fresh one (24)', async () => {
    last = ada.cookies;
    const seen = ada.seen.length;
    const home = await ada.send('/logout');
    const out = ada.seen[seen]!;
    assert.equal(out.status, 303);
    assert.match(limpetLines(out)[0]!, /^shop=; (?:.*; )?Max-Age=0/);
    assert.deepEqual(await sessionsOf('ada'), []);
    assert.deepEqual(texts(home, 'h1'), ['stranger']);

    const again = await holder(last, '/orders');
    assert.deepEqual([again.status, again.headers.location], [303, '/login']);
    const [line] = limpetLines(again);
    assert.ok(line !== undefined && !last.includes(line.slice(0, 29)));
  });

  test('who logs in with planted cookies is not found by whoever planted them (5, 24)', async () => {
    const mallory = new Visitor(limpet.url, { ...FRONT, 'x-forwarded-for': '198.51.100.66' });
    await mallory.open('/');
    const planted = mallory.cookies;
    const victim = new Visitor(limpet.url, FRONT);
    victim.plant(planted);
    await victim.send('/cart', { item: 'ring' });
    const inside = await victim.send('/login', { user: 'ada', password: 'lovelace' });
    assert.deepEqual([texts(inside, 'h1'), texts(inside, 'li')], [['ada'], ['ring']]);
    for (const name of ['shop', 'basket']) assert.notEqual(victim.cookie(name), mallory.cookie(name), name);

    const outside = await mallory.open('/cart');
    assert.deepEqual([texts(outside, 'h1'), texts(outside, 'li')], [['stranger'], []]);
    const plain = await holder(planted, '/orders');
    assert.equal(plain.headers.location, '/login');
    assert.notEqual(limpetLines(plain).length, 0);
    // An id that limpet never gave out is not taken over either.
    const made = new Visitor(limpet.url, FRONT);
    made.plant(`shop=${'A'.repeat(76)}`);
    await made.send('/login', { user: 'ada', password: 'lovelace' });
    assert.notEqual(made.cookie('shop')?.slice(0, 24), 'A'.repeat(24));
    assert.equal((await sessionsOf('ada')).length, 2);
    assert.equal(await admin.metric('limpet_errors_total', { code: 'INTERNAL' }), 0);
    assert.equal(limpet.stderr(), '');
  });
});
