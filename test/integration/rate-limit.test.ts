import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

/** In an hour nothing comes back, however slow the machine. */
const BURST = 12;

describe('rate limits', () => {
  let backend: HttpBackend;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    backend = await new HttpBackend('a').start();
  });
  after(() => backend.stop());

  beforeEach(async () => {
    backend.seen.length = 0;
    const backends = `backends: [{ id: a, url: "${backend.url}" }]`;
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'trustedProxies: [127.0.0.0/8]',
        'routes:',
        '  - { match: { path: /ip }, pool: ip }',
        '  - { match: { path: /quick }, pool: quick }',
        '  - { match: { path: /plain }, pool: session, sticky: false }',
        '  - { match: { path: /header }, pool: header }',
        '  - { pool: session }',
        'pools:',
        `  session: { ${backends}, rateLimit: { per: session, rate: 1/h, burst: ${BURST} } }`,
        `  ip: { ${backends}, affinity: [], rateLimit: { per: ip, rate: 1/h, burst: ${BURST} } }`,
        `  quick: { ${backends}, affinity: [{ by: header, name: X-Key }], rateLimit: { per: session, rate: 5/s } }`,
        `  header: { ${backends}, affinity: [{ by: header, name: X-Key }], rateLimit: { per: session, rate: 1/h, burst: ${BURST} } }`,
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  afterEach(() => limpet?.stop());

  /** So many requests, a few at a time and each on a connection of its own, so that both workers get some. */
  async function send(count: number, path: string, headers: Record<string, string> = {}): Promise<Answered[]> {
    const answers: Answered[] = [];
    while (answers.length < count)
      answers.push(...(await Promise.all(Array.from({ length: 6 }, () => ask(limpet.url + path, { headers })))));
    return answers;
  }
  const passed = (answers: readonly Answered[]): number => answers.filter(({ status }) => status === 200).length;

  test('an address gets its burst over all workers together, and 429 with Retry-After after that (16)', async () => {
    const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });
    let answers = await send(60, '/ip', from('192.0.2.1'));
    assert.equal(passed(answers), BURST);
    for (const { status, code, headers } of answers) {
      if (status === 200) continue;
      assert.deepEqual([status, code], [429, 'RATE_LIMITED']);
      const wait = Number(headers['retry-after']);
      assert.ok(wait > 3_500 && wait <= 3_600, `${wait} s`);
    }
    assert.equal(backend.seen.length, BURST, 'a refused request reaches no backend');
    const workers = () =>
      new Set(backend.seen.map(({ headers }) => /^(.*)-/.exec(String(headers['x-request-id']))![1]));
    // On a busy machine one of the two may take all that pass.
    for (let n = 1; workers().size < 2 && n < 50; n++) {
      backend.seen.length = 0;
      const more = await send(60, '/ip', from(`198.51.100.${n}`));
      assert.equal(passed(more), BURST);
      answers = [...answers, ...more];
    }
    assert.equal(workers().size, 2, 'both workers took some');
    await eventually(
      'the metric to count them all',
      async () =>
        (await admin.metric('limpet_errors_total', { code: 'RATE_LIMITED' })) === answers.length - passed(answers),
    );

    assert.equal(passed(await send(BURST, '/ip', from('192.0.2.2'))), BURST, 'another address has its own');
    assert.equal(passed(await send(60, '/ip', from('2001:db8:1:2::1'))), BURST);
    assert.equal(passed(await send(6, '/ip', from('2001:db8:1:2:ffff::9'))), 0, 'the same /64');
    assert.equal(passed(await send(6, '/ip', from('2001:db8:1:3::1'))), 6);
  });

  test('a session gets its burst, the request that begins it counted; what has no session counts by address', async () => {
    const cookies = (await send(2, '/')).slice(0, 2).map(({ cookie }) => cookie);
    for (const cookie of cookies) assert.equal(passed(await send(60, '/', { cookie })), BURST - 1);
    assert.equal(passed(await send(BURST * 2, '/')), BURST * 2, 'each a session of its own');
    assert.equal(passed(await send(60, '/plain', { cookie: cookies[0]! })), BURST, 'a route that is not sticky');
    assert.equal(passed(await send(60, '/header', { 'x-key': 'one' })), BURST);
    assert.equal(passed(await send(60, '/header', { 'x-key': 'two' })), BURST);
    assert.equal(passed(await send(60, '/header')), BURST, 'no key');
    assert.equal(passed(await send(6, '/header', { 'x-forwarded-for': '192.0.2.9' })), 6, 'no key, another address');
  });

  test('as many come back as the rate says, and a burst that is not given is its number', async () => {
    const headers = { 'x-key': 'one' };
    const from = performance.now();
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(`${limpet.url}/quick`, { headers })));
    const most = 5 + (5 * (performance.now() - from)) / 1_000;
    assert.ok(passed(answers) >= 5 && passed(answers) <= most, `${passed(answers)} passed, ${most} are the most`);
    const refused = answers.find(({ status }) => status === 429);
    if (refused !== undefined) assert.equal(refused.headers['retry-after'], '1');
    await eventually(
      'a request to pass again',
      async () => (await ask(`${limpet.url}/quick`, { headers })).status === 200,
      20_000,
    );
  });

  test('a reload keeps the count of a pool whose limit stays, and begins anew with another (44)', async () => {
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    const key = { 'x-key': 'one' };
    assert.equal(passed(await send(60, '/ip', headers)), BURST);
    assert.equal(passed(await send(60, '/header', key)), BURST);
    const file = new ConfigFile(limpet);
    file.replace(/(\bip: .*burst: )\d+/, '$13');
    await file.reload('api');
    assert.equal(passed(await send(6, '/header', key)), 0);
    assert.equal(passed(await send(6, '/ip', headers)), 3);
  });
});
