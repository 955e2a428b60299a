import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { memoryLimit } from '../../src/config/memory-limit.ts';
import { MemoryPressure, Pressure } from '../../src/limits/memory-pressure.ts';
import { MemoryWatch } from '../../src/limits/memory-watch.ts';
import { createLogger } from '../../src/logging/logger.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

const MIB = 1_048_576;
const SLOW = 600;

describe('79: limits.memory', () => {
  const body = Buffer.alloc(8 * MIB, 'x');
  const backend = new HttpBackend('a', (request, response) => response.end(request.url === '/large' ? body : 'ok'));
  const clients: RawClient[] = [];

  before(() => backend.start());
  after(async () => {
    for (const client of clients) client.close();
    await backend.stop();
  });

  const start = (memory: string): Promise<LimpetProcess> =>
    startLimpetProcess(
      [
        'workers: 2',
        `limits: { memory: ${memory} }`,
        `pools: { p: { backends: [{ id: a, url: "${backend.url}" }], affinity: [] } }`,
      ].join('\n'),
    );

  async function open(limpet: LimpetProcess): Promise<RawClient> {
    const client = await RawClient.open(limpet.port);
    clients.push(client);
    return client;
  }

  const readyz = async (limpet: LimpetProcess): Promise<number> => (await ask(`${limpet.admin}/readyz`)).status;

  /** What it uses when nobody is there, once all threads have said so. */
  async function atRest(limpet: LimpetProcess): Promise<number> {
    const admin = new Admin(limpet.admin);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return admin.metric('limpet_memory_used_bytes');
  }

  test('79: a share is one of what there is; a size and null are what they say', () => {
    assert.equal(memoryLimit(null), Number.POSITIVE_INFINITY);
    assert.equal(memoryLimit(64 * MIB), 64 * MIB);
    assert.ok(memoryLimit(0.7) > 16 * MIB && memoryLimit(0.7) < memoryLimit(1));
  });

  test('79: it begins above the limit, and ends at 90 % of it', () => {
    const steps: (() => void)[] = [];
    const clock = { now: () => 1, set: (step: () => void) => steps.push(step), clear: () => {} };
    const pressure = new MemoryPressure(MemoryPressure.allocate(2));
    const lines: string[] = [];
    const log = createLogger('info', { write: (line: string) => void lines.push(line) } as never);
    let limit = Number.POSITIVE_INFINITY;
    const watch = new MemoryWatch({ pressure, thread: 0, limit: () => limit, log, clock });
    watch.start();
    /** Looks once while the other thread uses so much more than both may. */
    const look = (share: number): number => {
      const own = pressure.usedBy(0);
      limit = own + 1_000 * MIB;
      pressure.note(1, limit * share - own);
      steps.shift()!();
      return pressure.level;
    };
    steps.shift()!();
    pressure.note(0, 100 * MIB);
    assert.equal(look(0.99), Pressure.none);
    assert.equal(look(1.05), Pressure.none, 'the threads are asked first');
    assert.equal(pressure.isAsked(1), true);
    assert.equal(look(1.05), Pressure.none);
    pressure.answer(1);
    assert.equal(look(1.05), Pressure.high);
    assert.equal(look(1.2), Pressure.severe);
    assert.equal(look(1.05), Pressure.high);
    assert.equal(look(0.95), Pressure.high);
    assert.equal(look(0.85), Pressure.none);
    assert.equal(lines.filter((line) => line.includes('memory is short')).length, 1);
    watch.stop();
  });

  test('79: while memory is short threads collect again and again, whatever becomes of the time of day', () => {
    const steps: (() => void)[] = [];
    let date = 10_000_000;
    let now = 1_000;
    const clock = { now: () => date, set: (step: () => void) => steps.push(step), clear: () => {} };
    const pressure = new MemoryPressure(MemoryPressure.allocate(2));
    const log = createLogger('info', { write: () => {} } as never);
    const watch = new MemoryWatch({ pressure, thread: 0, limit: () => 1, log, clock, now: () => now });
    const look = (): void => {
      now += 200;
      date += 200;
      steps.shift()!();
    };
    watch.start();
    look();
    pressure.answer(1);
    look();
    look();
    assert.notEqual(pressure.level, Pressure.none);
    date -= 3_600_000;
    for (let looks = 0; looks < 12; looks++) look();
    assert.equal(pressure.isAsked(1), true);
    watch.stop();
  });

  test('79: garbage that is above the limit again and again has nobody collect all the time', () => {
    const steps: (() => void)[] = [];
    let now = 1_000;
    const clock = { now: () => 1, set: (step: () => void) => steps.push(step), clear: () => {} };
    const pressure = new MemoryPressure(MemoryPressure.allocate(2));
    const log = createLogger('info', { write: () => {} } as never);
    const limit = 10_000 * MIB;
    const watch = new MemoryWatch({ pressure, thread: 0, limit: () => limit, log, clock, now: () => now });
    watch.start();
    let asked = 0;
    for (let looks = 0; looks < 50; looks++) {
      now += 200;
      pressure.note(1, 2 * limit);
      steps.shift()!();
      if (!pressure.isAsked(1)) continue;
      asked++;
      pressure.note(1, 0);
      pressure.answer(1);
      now += 200;
      steps.shift()!();
    }
    assert.equal(pressure.level, Pressure.none);
    assert.ok(asked >= 4 && asked <= 6, `${asked} times in 10 s`);
    watch.stop();
  });

  test('79: the default is not reached by much traffic, nor by a large table', async (t) => {
    const limpet = await startLimpetProcess(
      `workers: 2\nsessions: { max: 2000000 }\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }`,
    );
    t.after(() => limpet.stop());
    await Promise.all(Array.from({ length: 20 }, () => ask(`${limpet.url}/large`)));
    const admin = new Admin(limpet.admin);
    assert.equal(await admin.metric('limpet_memory_pressure'), 0);
    assert.ok((await admin.metric('limpet_memory_used_bytes')) < 200 * MIB);
    assert.equal(await readyz(limpet), 200);
  });

  test('79: above it nobody comes in, idle connections close, those that hold most end; then all is as before', async (t) => {
    const limpet = await start('null');
    const used = await atRest(limpet);
    await limpet.stop();
    // Room for some of them only.
    const small = await start(String(Math.round(used + 16 * MIB)));
    t.after(() => small.stop());
    const admin = new Admin(small.admin);
    const idle = await open(small);
    idle.send('GET / HTTP/1.1\r\nHost: memory\r\n\r\n');
    await idle.until(isWhole);
    const slow: RawClient[] = [];
    while (slow.length < SLOW && (await readyz(small)) === 200) {
      const client = await open(small);
      client.socket.pause();
      client.send('GET /large HTTP/1.1\r\nHost: memory\r\n\r\n');
      slow.push(client);
    }
    await eventually('readyz', async () => (await readyz(small)) === 503, 30_000);
    assert.equal(await admin.metric('limpet_memory_pressure'), 1);
    await idle.end(20_000);
    const late = await open(small);
    late.send('GET / HTTP/1.1\r\nHost: memory\r\nConnection: close\r\n\r\n');
    await small.logged(({ msg }) => String(msg).startsWith('memory is short'));
    assert.equal(late.text, '');
  });
});
