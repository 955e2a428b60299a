import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { SharedPort } from '../support/shared-port.ts';
import { SignServer } from '../support/sign-server.ts';

const HEADER = 'affinity: [{ by: header, name: x-key }]';
const OFF = 'take turns';

describe('ids of processes', () => {
  let shared: SharedPort;
  let several: SharedPort;
  let raw: RawBackend;
  const probed = new SignServer('a');
  const server = new SignServer('a');
  const server2 = new SignServer('a', { http2: true });
  const replica = new SignServer('b');
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    shared = await SharedPort.open('p1');
    several = await SharedPort.open('q1', 'q2');
    raw = await RawBackend.start(() => {});
    probed.headers = { 'Limpet-Backend': 'boot=one' };
    for (const one of [probed, server, server2, replica]) await one.start();
    const pools = {
      shared: `{ backends: [{ id: a, url: "http://127.0.0.1:${shared.port}", replicas: [b] }, { id: b, url: "${replica.url}", weight: 0 }], affinity: [{ by: cookie }] }`,
      several: `{ backends: [{ id: a, url: "http://127.0.0.1:${several.port}" }], ${HEADER} }`,
      probed: `{ backends: [{ id: a, url: "${probed.url}" }], ${HEADER}, health: { active: { interval: 500ms, timeout: 500ms } } }`,
      server: `{ backends: [{ id: a, url: "${server.url}" }], ${HEADER} }`,
      http2: `{ backends: [{ id: a, url: "${server2.url}" }], ${HEADER}, http2: true }`,
      raw: `{ backends: [{ id: a, url: "${raw.url}" }], ${HEADER} }`,
    };
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'routes:',
        '  - { match: { path: /boot/several }, pool: several }',
        '  - { match: { path: /boot }, pool: shared }',
        ...Object.keys(pools).map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        ...Object.entries(pools).map(([name, pool]) => `  ${name}: ${pool}`),
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all([shared?.close(), several?.close(), raw?.stop()]);
    for (const one of [probed, server, server2, replica]) one.stop();
  });
  beforeEach(() => {
    server.headers = {};
  });

  const life = async (pool: string): Promise<number> => (await admin.backend(pool, 'a')).life;
  const get = (path: string, cookie = ''): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? {} : { cookie } });

  test('M1: behind a port that never closes the id tells of a restart, and nothing else does', async () => {
    const idle = [];
    for (let i = 0; i < 4; i++) idle.push((await get('/boot')).cookie);
    const headers = (await get('/boot')).headers;
    assert.equal(headers['limpet-backend'], undefined);
    await shared.kill('p1');
    const waits = get('/boot');
    await setTimeout(300);
    await shared.start('p2');
    assert.equal((await waits).status, 200);
    assert.equal(await life('shared'), 2);
    for (const cookie of idle) {
      const answer = await get('/boot', cookie);
      const { headers: told } = JSON.parse(answer.body) as { headers: Record<string, string> };
      assert.deepEqual([answer.backend, told['limpet-session-moved']], ['b', 'from=a; reason=backend-restarted']);
    }
    // Workers tell the supervisor ten times a second.
    const restarts = () => admin.metric('limpet_backend_restarts_total', { pool: 'shared', sign: 'boot' });
    await eventually('the count of restarts', async () => (await restarts()) === 1);
    assert.equal(await admin.metric('limpet_backend_restarts_total', { pool: 'shared', sign: 'refused' }), 0);
  });

  test('M1: without an id nothing is told there, and a graceful reload is no restart', async () => {
    const before = await life('shared');
    assert.equal((await get('/shared')).status, 200);
    await shared.start('p3');
    await shared.leave('p2');
    for (let i = 0; i < 4; i++) assert.equal((await get('/shared')).status, 200);
    await setTimeout(300);
    assert.equal(await life('shared'), before);
  });

  test('M1: ids of several processes are switched off with one warning', async () => {
    const warned = limpet.logged(({ msg, pool }) => pool === 'several' && String(msg).includes(OFF));
    // Connections of their own: limpet keeps none of a client that leaves in the middle, so both processes get some.
    await eventually(
      'both to answer',
      async () => {
        await Promise.all(Array.from({ length: 8 }, () => get('/boot/several')));
        await setTimeout(20);
        return limpet.log.some(({ msg, pool }) => pool === 'several' && String(msg).includes(OFF));
      },
      30_000,
    );
    await warned;
    const lives = await life('several');
    assert.ok(lives <= 2);
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 4 }, () => get('/boot/several')));
    assert.equal(await life('several'), lives);
    assert.equal(limpet.log.filter(({ msg, pool }) => pool === 'several' && String(msg).includes(OFF)).length, 1);
  });

  test('M1: a probe hears it too', async () => {
    await eventually('a to be up', async () => (await admin.backend('probed', 'a')).health === 'up');
    await setTimeout(500);
    probed.headers = { 'Limpet-Backend': 'boot=two' };
    await eventually('life 2', async () => (await life('probed')) === 2);
    await setTimeout(500);
    assert.equal(await life('probed'), 2);
  });

  for (const [pool, one] of [
    ['server', server],
    ['http2', server2],
  ] as const) {
    test(`M1: the field stays here, and only its boot counts, ${pool}`, async () => {
      const values = ['boot=a', 'boot=a;x=1, zone=eu', 'zone=us, boot="a"', 'boot', 'boot=(', 'zone=eu', ''];
      for (const value of values) {
        one.headers = { 'Limpet-Backend': value };
        const answer = await get(`/${pool}`);
        assert.deepEqual([answer.status, answer.headers['limpet-backend']], [200, undefined]);
        assert.equal(await life(pool), 1, value);
      }
      one.headers = { 'Limpet-Backend': 'boot=b' };
      await get(`/${pool}`);
      assert.equal(await life(pool), 2);
    });
  }

  test('M1: it may be in an interim response and in a switch, in two lines, and reaches no client', async () => {
    const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    const answers = [
      `HTTP/1.1 200 OK\r\nLimpet-Backend: zone=eu\r\nlimpet-backend: boot=a\r\nContent-Length: 2\r\n\r\nok`,
      `HTTP/1.1 103 Early Hints\r\nLimpet-Backend: boot=b\r\nLink: </x>\r\n\r\n${OK}`,
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\nLimpet-Backend: boot=c\r\n\r\nok',
    ];
    let next = '';
    raw.answer = ({ socket, text }) => void (text.endsWith('\r\n\r\n') && socket.write(next));
    for (const [at, answer] of answers.entries()) {
      next = answer;
      const client = await RawClient.open(limpet.port);
      const upgrade = at === 2 ? 'Connection: upgrade\r\nUpgrade: x\r\n' : '';
      client.send(`GET /raw HTTP/1.1\r\nHost: x\r\n${upgrade}Limpet-Backend: boot=client\r\n\r\n`);
      const text = await client.until((all) => all.endsWith('ok'));
      assert.doesNotMatch(text, /limpet-backend/i);
      assert.equal(await life('raw'), at + 1);
      client.close();
    }
    assert.doesNotMatch(raw.text, /limpet-backend/i, 'what a client says of it is not believed');
  });
});
