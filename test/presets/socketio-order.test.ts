import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io, type Socket } from 'socket.io-client';
import { Admin } from '../support/admin.ts';
import { startApps } from '../support/app-process.ts';
import { eventually } from '../support/eventually.ts';
import { startLimpetProcess } from '../support/limpet.ts';

const CLIENTS = 12;
const SCRIPT = new URL('./socketio-server.ts', import.meta.url);

test(`M2: Socket.IO with its sid before limpet's cookie, as in docs/keys.md: ${CLIENTS} clients connect, upgrade and talk`, async (t) => {
  const servers = await startApps(SCRIPT, 'io1', 'io2', 'io3');
  t.after(() => Promise.all(servers.map((server) => server.kill())));
  const list = servers.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
  const limpet = await startLimpetProcess(
    `workers: 2\npools: { chat: { backends: [${list}], balance: round-robin, affinity: [{ by: query, name: sid }, { by: cookie }] } }`,
  );
  t.after(limpet.stop);
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.disconnect();
  });
  const errors: string[] = [];
  for (let n = 0; n < CLIENTS; n++) {
    // Every other one never upgrades, as behind a proxy that knows no WebSockets.
    const socket = io(limpet.url, { forceNew: true, withCredentials: true, upgrade: n % 2 === 0, reconnection: false });
    socket.on('connect_error', ({ message }) => errors.push(message));
    sockets.push(socket);
  }
  await eventually('all to be connected', () => errors.length > 0 || sockets.every(({ connected }) => connected));
  assert.deepEqual(errors, []);
  await eventually('the upgrades', () =>
    sockets.every(({ io: manager }, n) => n % 2 !== 0 || manager.engine.transport.name === 'websocket'),
  );
  for (let round = 0; round < 5; round++) {
    const homes = new Set<string>();
    for (const [n, socket] of sockets.entries()) {
      const said = (await socket.timeout(20_000).emitWithAck('echo', `${round} ${n}`)) as Record<string, unknown>;
      assert.deepEqual([said.text, said.unknown], [`${round} ${n}`, 0]);
      homes.add(String(said.id));
    }
    assert.equal(homes.size, 3);
  }
  // The id and the cookie are two names of one session.
  assert.equal((await new Admin(limpet.admin).sessions('chat')).length, CLIENTS);
});
