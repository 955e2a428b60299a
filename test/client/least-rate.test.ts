import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LeastRate } from '../../src/client/least-rate.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';

describe('F12: LeastRate', () => {
  test('F12: a byte now and then is too slow after 30 s, and not before', () => {
    const rate = new LeastRate();
    for (let now = 0; now < 29_000; now += 1_000) {
      rate.wait(now);
      assert.equal(rate.moved(1, now + 1_000, 100), true, `after ${now}`);
    }
    rate.wait(29_000);
    assert.equal(rate.moved(1, 58_000, 100), false);
  });

  test('F12: each 30 s count on their own: what came fast before buys no time', () => {
    const rate = new LeastRate();
    rate.wait(0);
    assert.equal(rate.moved(10_000_000, 31_000, 100), true);
    rate.wait(31_000);
    assert.equal(rate.moved(2_999, 61_000, 100), false);
  });

  test('F12: a rate that is kept is kept for good; 0 is no limit', () => {
    const [kept, free] = [new LeastRate(), new LeastRate()];
    for (let now = 0; now < 600_000; now += 10_000) {
      kept.wait(now);
      assert.equal(kept.moved(1_000, now + 10_000, 100), true);
      free.wait(now);
      assert.equal(free.moved(0, now + 10_000, 0), true);
    }
  });

  test('F12: time in which nobody waits does not count, nor that of another message', () => {
    const rate = new LeastRate();
    rate.wait(0);
    rate.hold(1_000);
    rate.wait(500_000);
    assert.equal(rate.moved(1, 501_000, 100), true);
    rate.wait(501_000);
    rate.hold(529_000);
    rate.reset();
    rate.wait(600_000);
    assert.equal(rate.moved(1, 629_000, 100), true);
  });
});

describe('F12: uploads and downloads that trickle', () => {
  let backend: RawBackend;
  let limpet: LimpetProcess;
  const timers: NodeJS.Timeout[] = [];
  const clients: RawClient[] = [];

  before(async () => {
    backend = await RawBackend.start(({ text, socket }) => {
      if (text.includes('begun') && text.endsWith('\r\n\r\n'))
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    });
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'listeners:',
        '  - { bind: "127.0.0.1:0" }',
        '  - { bind: "127.0.0.1:0", timeouts: { bodyRate: 0 } }',
        '  - { bind: "127.0.0.1:0", timeouts: { bodyRate: 1B/s } }',
        `pools: { p: { backends: [{ id: a, url: "${backend.url}" }], affinity: [] } }`,
      ].join('\n'),
    );
  });
  after(async () => {
    for (const timer of timers) clearInterval(timer);
    for (const client of clients) client.close();
    await limpet?.stop();
    await backend?.stop();
  });

  /** Sends two bytes of a body each second. */
  async function trickle(port: number, path: string): Promise<RawClient> {
    const client = await RawClient.open(port);
    clients.push(client);
    client.send(`POST ${path} HTTP/1.1\r\nHost: rate\r\nContent-Length: 1000000\r\n\r\n`);
    timers.push(setInterval(() => client.socket.writable && client.send('xx'), 1_000));
    return client;
  }

  test('F12: the upload gets 408; one that has its answer, or no limit, or a lower one, goes on', async () => {
    const slow = await trickle(limpet.ports[0]!, '/slow');
    const others = [
      await trickle(limpet.ports[0]!, '/begun'),
      await trickle(limpet.ports[1]!, '/free'),
      await trickle(limpet.ports[2]!, '/low'),
    ];
    const began = performance.now();
    assert.match(await slow.until((text) => text.includes('\r\n\r\n'), 50_000), /^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
    assert.ok(performance.now() - began > 25_000);
    const sent = () => backend.connections.map(({ text }) => text.length);
    const before = sent();
    await eventually('bytes of the others', () => sent().filter((length, at) => length > before[at]! + 3).length === 3);
    for (const other of others) assert.equal(other.closed || other.ended, false);
  });
});
