import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReloadOutcome, Reloads } from '../../src/admin/reloads.ts';
import { parseExposition, sampleValue } from '../metrics/exposition.ts';
import { call } from './call.ts';
import { LiveLimpet } from './live-limpet.ts';
import { startAdmin } from './start-admin.ts';

const DONE: ReloadOutcome = {
  ok: true,
  generation: 2,
  changes: [{ path: 'pools.shop.backends.b', change: 'added' }],
  warnings: ['limpet.yaml:1:1: strange'],
};
const MISTAKE = { file: 'limpet.yaml', line: 3, column: 5, path: 'pools', message: 'is required' };

test('a reload answers what changed; a second one waits for the first', async () => {
  const first = Promise.withResolvers<ReloadOutcome>();
  let calls = 0;
  const reloads = new Reloads(
    () => (calls++ === 0 ? first.promise : Promise.resolve({ ok: false, errors: [MISTAKE] })),
    () => 5,
  );
  const ends: string[] = [];
  const one = reloads.run().then((outcome) => ends.push(`first ${outcome.ok}`));
  const two = reloads.run().then((outcome) => ends.push(`second ${outcome.ok}`));
  await new Promise(setImmediate);
  assert.equal(calls, 1);
  first.resolve(DONE);
  await Promise.all([one, two]);
  assert.deepEqual(ends, ['first true', 'second false']);
  assert.deepEqual([reloads.succeeded, reloads.failed], [1, 1]);
  assert.deepEqual(reloads.last, { at: 5, ok: false, changes: 0, errors: 1 });
});

test('a defect in a reload is passed on, counts as failed, and the next one goes on', async () => {
  let calls = 0;
  const reloads = new Reloads(
    async () => {
      if (calls++ === 0) throw new Error('defect');
      return DONE;
    },
    () => 1,
  );
  await assert.rejects(reloads.run(), /defect/);
  assert.equal((await reloads.run()).ok, true);
  assert.deepEqual([reloads.succeeded, reloads.failed], [1, 1]);
});

test('POST /api/v1/reload: 200 with what changed, or 422 with every mistake; status and metrics know of both', async (t) => {
  let outcome: ReloadOutcome = DONE;
  const limpet = new LiveLimpet(100, { reload: async () => outcome });
  const { address } = await startAdmin(t, {}, limpet.control);
  const reload = (body?: unknown) => call(address, 'POST', '/api/v1/reload', body === undefined ? {} : { body });
  const status = async () => (await call(address, 'GET', '/api/v1/status')).json();
  assert.deepEqual([(await status()).reloadable, (await status()).lastReload], [true, null]);
  const { ok: _, ...view } = DONE;
  for (const body of [undefined, {}]) {
    const reply = await reload(body);
    assert.deepEqual([reply.status, reply.json()], [200, view]);
  }
  assert.deepEqual((await status()).lastReload, {
    at: '2026-01-31T12:00:00.000Z',
    ok: true,
    changes: 1,
    errors: 0,
  });
  outcome = { ok: false, errors: [MISTAKE] };
  const refused = await reload();
  assert.equal(refused.status, 422);
  assert.match(refused.headers['content-type']!, /problem\+json/);
  assert.deepEqual(refused.json().errors, [MISTAKE]);
  assert.deepEqual((await status()).lastReload, { at: '2026-01-31T12:00:00.000Z', ok: false, changes: 0, errors: 1 });
  const unknown = await reload({ force: true });
  assert.equal(unknown.status, 422);
  assert.match(String(unknown.json().detail), /force: unknown key/);
  const families = parseExposition((await call(address, 'GET', '/metrics')).text);
  const value = (name: string, labels = {}) => sampleValue(families.get(name), labels);
  assert.deepEqual(
    [
      value('limpet_reloads_total', { result: 'ok' }),
      value('limpet_reloads_total', { result: 'failed' }),
      value('limpet_config_generation'),
      value('limpet_store_up'),
    ],
    [2, 1, 1, 1],
  );
});

test('without a file there is nothing to reload', async (t) => {
  const { address } = await startAdmin(t, {}, new LiveLimpet(100).control);
  const reply = await call(address, 'POST', '/api/v1/reload');
  assert.equal(reply.status, 409);
  assert.match(String(reply.json().detail), /without a configuration file/);
});

test('a page of another origin cannot reload', async (t) => {
  const { address, control } = await startAdmin(t);
  const reply = await call(address, 'POST', '/api/v1/reload', { headers: { Origin: 'http://evil.example' } });
  assert.equal(reply.status, 403);
  assert.deepEqual(control.calls, []);
});
