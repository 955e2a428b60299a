import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { startApps } from '../support/app-process.ts';
import { launchBrowser } from '../support/browser.ts';
import { Certificates } from '../support/certificates.ts';
import { CHROMIUM_MISSING, findChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { startPreset } from '../support/preset.ts';

const chromium = findChromium();
const TABS = 4;
const SCRIPT = new URL('./socketio-server.ts', import.meta.url);

/** In the page: a client of Socket.IO as anybody writes it, and what becomes of it. */
const CLIENT = `
  window.transports = [];
  window.errors = [];
  window.socket = io();
  socket.io.on('open', () => {
    const { engine } = socket.io;
    transports.push(engine.transport.name);
    engine.on('upgrade', ({ name }) => transports.push(name));
  });
  socket.on('connect_error', ({ message }) => errors.push(message));
`;

test('Socket.IO in Chromium over HTTPS and HTTP/2: it polls, upgrades to a WebSocket and connects again at the replica', {
  skip: chromium === null && CHROMIUM_MISSING,
}, async (t) => {
  const servers = await startApps(SCRIPT, 'io1', 'io2', 'io3');
  t.after(() => Promise.all(servers.map((server) => server.kill())));
  const certificates = new Certificates();
  t.after(() => certificates.remove());
  const { cert, key } = certificates.make('chat', { names: ['127.0.0.1'] });
  const limpet = await startPreset('socketio', servers, { certificates: [{ cert, key }] });
  t.after(limpet.stop);
  const browser = await launchBrowser(chromium!);
  t.after(() => browser.close());

  // Each with cookies and connections of its own, as different people.
  const pages = await Promise.all(
    Array.from({ length: TABS }, async () => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      await page.goto(`${limpet.url}/`);
      await page.evaluate(CLIENT);
      return page;
    }),
  );
  const all = <T>(expression: string): Promise<T[]> => Promise.all(pages.map((page) => page.evaluate<T>(expression)));
  const echo = `socket.timeout(20000).emitWithAck('echo', 'grüezi')`;
  const upgraded = async (times: number): Promise<boolean> =>
    (await all<string[]>('transports')).every((names) => names.filter((name) => name === 'websocket').length === times);

  await eventually('all to be upgraded', () => upgraded(1), 30_000);
  const first = await all<{ id: string; text: string; unknown: number }>(echo);
  for (const { text, unknown } of first) assert.deepEqual([text, unknown], ['grüezi', 0]);
  for (const names of await all<string[]>('transports')) assert.deepEqual(names, ['polling', 'websocket']);
  const protocols = await all<string[]>(`performance.getEntriesByType('resource').map((one) => one.nextHopProtocol)`);
  assert.deepEqual([...new Set(protocols.flat())], ['h2']);
  // RFC 8441: a WebSocket is a stream of the connection that is there, where HTTP/1.1 takes another one.
  const connections = await new Admin(limpet.admin).connections();
  assert.ok(connections < 2 * TABS, `${connections} connections of ${TABS} tabs`);

  const dead = first[0]!.id;
  const at = servers.findIndex(({ id }) => id === dead);
  const replica = servers[(at + 1) % servers.length]!.id;
  await servers[at]!.kill();
  const moved = first.map(({ id }) => id === dead);
  await eventually(
    'those of the dead server to be upgraded again',
    async () => (await all<string[]>('transports')).every((names, i) => names.length === (moved[i] ? 4 : 2)),
    30_000,
  );
  const second = await all<{ id: string }>(echo);
  for (const [i, { id }] of second.entries()) assert.equal(id, moved[i] ? replica : first[i]!.id);
  assert.deepEqual((await all<string[]>('errors')).flat(), []);
  assert.equal(limpet.stderr(), '');
});
