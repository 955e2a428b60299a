/** The demo as a whole: shop servers, limpet (src/app.ts) in front, a visitor. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { type Demo, runDemo } from '../../src/demo/demo.ts';
import { eventually } from '../support/eventually.ts';
import { type ShopReply, type ShopState, Visitor } from './visitor.ts';

function start(lines: string[], backends: number, port = 0): Promise<Demo> {
  return runDemo({ backends, port, adminPort: 0, firstShopPort: 0, write: (text) => lines.push(text) });
}

function killAnswering(demo: Demo, reply: ShopReply<ShopState>): string {
  const server = demo.servers.find(({ id }) => id === reply.body.server);
  assert.equal(server?.pid, reply.body.pid);
  process.kill(reply.body.pid, 'SIGKILL');
  return reply.body.server;
}

test('a visitor whose server is killed goes on at its replica with the cart and sees no error, twice in a row (27, 33)', async (context) => {
  const lines: string[] = [];
  const demo = await start(lines, 3);
  context.after(() => demo.stop());
  const visitor = new Visitor();
  await visitor.ask('GET', `${demo.url}/`);
  assert.deepEqual([...visitor.cookies.keys()].sort(), ['limpet', 'shopsid']);
  await visitor.ask('POST', `${demo.url}/api/cart`, { item: 'mug', quantity: 2 });
  const first = await visitor.ask('GET', `${demo.url}/api/state`);
  assert.deepEqual([first.status, first.body.cart.madeAt, first.body.copy?.upToDate], [200, first.body.server, true]);

  let from = killAnswering(demo, first);
  const second = await visitor.ask('GET', `${demo.url}/api/state`);
  assert.equal(second.status, 200);
  assert.equal(second.body.server, demo.servers.find(({ id }) => id === from)?.replica);
  assert.deepEqual([second.body.cart.count, second.body.moved?.from], [2, from]);

  from = killAnswering(demo, second);
  const third = await visitor.ask('POST', `${demo.url}/api/cart`, { item: 'lamp', quantity: 1 });
  assert.ok(third.status === 200 || third.status === 502, `status ${third.status}`);
  const fourth = await visitor.ask('GET', `${demo.url}/api/state`);
  assert.equal(fourth.status, 200);
  assert.equal(fourth.body.server, demo.servers.find(({ id }) => id === from)?.replica);
  assert.equal(fourth.body.cart.items[0]?.quantity, 2);
});

test('M1, 114: a visitor who asks nothing while the server is away goes on at its replica with the cart', async (context) => {
  const lines: string[] = [];
  const options = { backends: 3, port: 0, adminPort: 0, firstShopPort: 0, restartMs: 300 };
  const demo = await runDemo({ ...options, write: (text) => lines.push(text) });
  context.after(() => demo.stop());
  const visitor = new Visitor();
  await visitor.ask('POST', `${demo.url}/api/cart`, { item: 'mug', quantity: 2 });
  const first = await visitor.ask('GET', `${demo.url}/api/state`);
  assert.equal(first.body.copy?.upToDate, true);
  const from = killAnswering(demo, first);
  await eventually('the server to be back', () => lines.some((line) => line.includes('is back with an empty memory')));
  await eventually('limpet to know', async () => {
    const answer = await fetch(`${demo.adminUrl}/api/v1/pools/shop`);
    const { backends } = (await answer.json()) as { backends: { id: string; life: number; health: string }[] };
    return backends.some(({ id, life, health }) => id === from && life === 2 && health === 'up');
  });
  // It has answered somebody else: until then it is a server that is away.
  await eventually('a stranger to be answered by it', async () => {
    const { body } = await new Visitor().ask<ShopState>('GET', `${demo.url}/api/state`);
    return body.server === from;
  });
  const second = await visitor.ask('GET', `${demo.url}/api/state`);
  assert.equal(second.body.server, demo.servers.find(({ id }) => id === from)?.replica);
  assert.deepEqual(
    [second.body.cart.count, second.body.moved?.from, second.body.moved?.reason],
    [2, from, 'backend-restarted'],
  );
});

test('U5: the page names the session as the dashboard does, a log-in gives it another id and its user, a log-out ends it', async (context) => {
  const demo = await start([], 2);
  context.after(() => demo.stop());
  const listed = async () => {
    const answer = await fetch(`${demo.adminUrl}/api/v1/sessions`);
    const { sessions } = (await answer.json()) as { sessions: { key: string; backend: string; user: string | null }[] };
    return sessions.map(({ key, backend, user }) => ({ key, backend, user }));
  };
  const visitor = new Visitor();
  const { body: first } = await visitor.ask('POST', `${demo.url}/api/cart`, { item: 'mug' });
  const backend = first.server;
  assert.deepEqual(await listed(), [{ key: first.session.name, backend, user: null }]);
  await visitor.ask('POST', `${demo.url}/api/login`, { name: 'Zoë 雪' });
  const { body: second } = await visitor.ask('GET', `${demo.url}/api/state`);
  assert.notEqual(second.session.name, first.session.name);
  assert.deepEqual([second.server, second.cart.count], [backend, 1]);
  // Names of users come from the workers a little later.
  await eventually('the user to be known', async () => (await listed())[0]?.user !== null);
  assert.deepEqual(await listed(), [{ key: second.session.name, backend, user: 'Zoë 雪' }]);
  const status = (await (await fetch(`${demo.adminUrl}/api/v1/status`)).json()) as { reloadable: boolean };
  assert.equal(status.reloadable, false, 'there is no file to read again');
  await visitor.ask('POST', `${demo.url}/api/logout`);
  assert.deepEqual([await listed(), [...visitor.cookies]], [[], []]);
});

test('the demo passes over a taken port, and says so, what to open and how to kill each server', async (context) => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  context.after(() => squatter.close());
  const { port } = squatter.address() as AddressInfo;
  const lines: string[] = [];
  const demo = await start(lines, 2, port);
  context.after(() => demo.stop());
  const said = lines.join('\n');
  assert.ok(said.includes(`Port ${port} cannot be used for the shop`), said);
  assert.notEqual(new URL(demo.url).port, String(port));
  assert.ok(said.includes(`${demo.url}/`) && said.includes('Ctrl-C'));
  for (const { pid } of demo.servers) assert.ok(said.includes(String(pid)));
  assert.ok(demo.adminUrl);
  assert.equal((await new Visitor().ask('GET', `${demo.adminUrl}/healthz`)).status, 200);
  assert.match(said, new RegExp(`Dashboard +\\S*${demo.adminUrl}/`));
  const dashboard = await fetch(`${demo.adminUrl}/`);
  assert.match(await dashboard.text(), /<h1>limpet<\/h1>/);
});

test('visitors cannot reach the internal paths of the servers through limpet', async (context) => {
  const demo = await start([], 2);
  context.after(() => demo.stop());
  const reply = await new Visitor().ask<{ error: { code: string } }>('GET', `${demo.url}/internal/status`);
  assert.deepEqual([reply.status, reply.body.error.code], [404, 'not-found']);
});

test('a demo with no server, or with more than there are letters, is refused', async () => {
  for (const backends of [0, 27, 1.5]) await assert.rejects(start([], backends), /1 to 26/);
});
