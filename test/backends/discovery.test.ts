import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { DiscoveredMember } from '../../src/backends/discovery/discovered-member.ts';
import { DnsDiscovery } from '../../src/backends/discovery/dns-discovery.ts';
import type { Answer, NameResolver, ServiceRecord } from '../../src/backends/discovery/name-resolver.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { PoolConfig } from '../../src/config/schema.ts';
import { SYSTEM_CLOCK } from '../../src/timing/clock.ts';
import { FakeClock } from '../health/fake-clock.ts';
import { startDnsServer } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';

const HEAD = 'listeners: [{ bind: "127.0.0.1:0" }]\n';

/** A pool, from what stands in the file. */
function pool(yaml: string): PoolConfig {
  const loaded = parseConfig(`${HEAD}pools: { shop: { ${yaml} } }\n`, 'x.yaml', {});
  assert.ok(!('errors' in loaded), JSON.stringify(loaded));
  return loaded.config.pools.shop!;
}

const SHOP = pool('discovery: { dns: { name: shop.test, port: 80 } }');
const SERVICES = pool('discovery: { dns: { name: _http._tcp.test, type: SRV } }');

const ABSENT = { error: 'ENOTFOUND', absent: true };
const DOWN = { error: 'ESERVFAIL', absent: false };

/** What the DNS says, changed by the test. Without an answer for a name it is silent. */
class FakeDns implements NameResolver {
  readonly says = new Map<string, Answer<string>>();
  records: Answer<ServiceRecord> = ABSENT;
  asked = 0;
  underWay = 0;
  mostUnderWay = 0;

  addresses(name: string, _family: 4 | 6, signal: AbortSignal): Promise<Answer<string>> {
    return this.#answer(this.says.get(name), signal);
  }

  services(_name: string, signal: AbortSignal): Promise<Answer<ServiceRecord>> {
    return this.#answer(this.records, signal);
  }

  async #answer<T>(answer: Answer<T> | undefined, signal: AbortSignal): Promise<Answer<T>> {
    this.asked++;
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    if (answer === undefined) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await setImmediate();
    this.underWay--;
    return answer ?? { error: 'ECANCELLED', absent: false };
  }
}

function setUp(t: TestContext, random = () => 0.5) {
  const clock = new FakeClock();
  const dns = new FakeDns();
  const lines: Record<string, unknown>[] = [];
  const line = (level: string) => (fields: object, msg: string) => void lines.push({ level, ...fields, msg });
  const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const discovery = new DnsDiscovery({ clock, random, log, resolver: () => dns });
  t.after(() => discovery.close());
  const reports: (readonly DiscoveredMember[])[] = [];
  const start = (config: PoolConfig) => discovery.start('shop', config, (members) => reports.push(members));
  /** Moves the time on, and lets what is under way come to its end. */
  const pass = async (ms: number) => {
    await clock.advance(ms);
    for (let i = 0; i < 10; i++) await setImmediate();
  };
  /** The ids of the last report. */
  const ids = () => reports.at(-1)?.map(({ id }) => id);
  return { clock, dns, lines, discovery, reports, start, pass, ids };
}

test('members are reported when the set has changed, and only then', async (t) => {
  const { dns, reports, start, pass, ids, discovery } = setUp(t);
  dns.says.set('shop.test', { records: ['10.0.0.1', '10.0.0.2'] });
  start(SHOP);
  assert.deepEqual(discovery.members('shop'), []);
  await pass(0);
  assert.deepEqual(ids(), ['10.0.0.1:80', '10.0.0.2:80']);
  assert.deepEqual(discovery.members('shop'), reports[0]);
  dns.says.set('shop.test', { records: ['10.0.0.2', '10.0.0.1', '10.0.0.2'] });
  await pass(10_000);
  assert.equal(dns.asked, 2);
  assert.equal(reports.length, 1);
  dns.says.set('shop.test', { records: ['10.0.0.3', '10.0.0.1'] });
  await pass(10_000);
  assert.deepEqual(ids(), ['10.0.0.1:80', '10.0.0.3:80']);
  assert.equal(reports.length, 2);
});

test('a weight, a priority or an address that changes is a change, with the same id', async (t) => {
  const { dns, reports, start, pass } = setUp(t);
  const say = (priority: number, weight: number) => {
    dns.records = {
      records: [
        { name: 'A.', port: 80, priority, weight },
        { name: 'b', port: 80, priority: 5, weight: 1 },
      ],
    };
  };
  const b = { id: 'b:80', url: 'http://10.0.0.9:80', weight: 1, backup: false };
  dns.says.set('a', { records: ['10.0.0.2', '10.0.0.1'] });
  dns.says.set('b', { records: ['10.0.0.9'] });
  say(5, 1);
  start(SERVICES);
  await pass(0);
  const a = { id: 'a:80', url: 'http://10.0.0.1:80', weight: 1, backup: false };
  assert.deepEqual(reports.at(-1), [a, b]);
  say(5, 3);
  await pass(10_000);
  assert.deepEqual(reports.at(-1), [{ ...a, weight: 3 }, b]);
  say(6, 3);
  await pass(10_000);
  assert.deepEqual(reports.at(-1), [{ ...a, weight: 3, backup: true }, b]);
  dns.says.set('a', { records: ['10.0.0.0', '10.0.0.1'] });
  await pass(10_000);
  assert.equal(reports.length, 3, 'a target with several addresses keeps the one it has');
  dns.says.set('a', { records: ['10.0.0.0'] });
  await pass(10_000);
  assert.deepEqual(reports.at(-1), [{ ...a, url: 'http://10.0.0.0:80', weight: 3, backup: true }, b]);
  dns.says.set('a', DOWN);
  await pass(10_000);
  assert.equal(reports.length, 4, 'a target that cannot be resolved keeps its address');
});

test('an empty or failing answer keeps the last good set, and is told once, with the age of the set', async (t) => {
  const { dns, reports, lines, start, pass } = setUp(t);
  dns.says.set('shop.test', { records: ['10.0.0.1'] });
  start(SHOP);
  await pass(0);
  assert.deepEqual(lines, []);
  for (const answer of [ABSENT, DOWN, ABSENT]) {
    dns.says.set('shop.test', answer);
    await pass(10_000);
  }
  const fields = { pool: 'shop', name: 'shop.test', type: 'A', members: 1 };
  assert.deepEqual(lines, [
    {
      level: 'warn',
      ...fields,
      error: 'ENOTFOUND',
      ageMs: 10_000,
      msg: 'discovery has no answer: the members of the last one stay',
    },
  ]);
  dns.says.set('shop.test', { records: ['10.0.0.1'] });
  await pass(2000);
  assert.deepEqual(lines.slice(1), [{ level: 'info', ...fields, ageMs: 32_000, msg: 'discovery has an answer again' }]);
  assert.equal(reports.length, 1);
});

test('it is refreshed within a tenth of the time, and sooner after a failure', async (t) => {
  let random = 0;
  const { dns, start, pass } = setUp(t, () => random);
  dns.says.set('shop.test', { records: ['10.0.0.1'] });
  start(SHOP);
  await pass(0);
  await pass(8_999);
  assert.equal(dns.asked, 1);
  random = 0.999;
  await pass(1);
  assert.equal(dns.asked, 2);
  await pass(10_990);
  assert.equal(dns.asked, 2);
  dns.says.set('shop.test', DOWN);
  random = 0.5;
  await pass(10);
  assert.equal(dns.asked, 3);
  await pass(2000);
  assert.equal(dns.asked, 4);
});

test('a look-up that does not end is given up, and there are never two of a pool at once', async (t) => {
  const { dns, lines, start, pass, ids } = setUp(t);
  const often = pool('discovery: { dns: { name: shop.test, port: 80, refresh: 1s } }');
  start(often);
  await pass(9999);
  assert.equal(dns.asked, 1);
  await pass(1);
  assert.equal(lines.at(-1)?.error, 'ETIMEOUT');
  dns.says.set('shop.test', { records: ['10.0.0.1'] });
  await pass(1000);
  assert.deepEqual(ids(), ['10.0.0.1:80']);
  assert.equal(dns.mostUnderWay, 1);
});

test('a backend of the configuration is not discovered again, by its id or by its address', async (t) => {
  const { dns, lines, start, pass, ids } = setUp(t);
  const dnsKey = 'discovery: { dns: { name: shop.test, type: AAAA, port: 80 } }';
  dns.says.set('shop.test', { records: ['fd00::1', 'fd00::2', 'fd00::3'] });
  start(
    pool(
      `backends: [{ id: "fd00:0:0:0:0:0:0:1:80", url: "http://x:1" }, { id: b, url: "http://[FD00:0::2]" }], ${dnsKey}`,
    ),
  );
  await pass(0);
  assert.deepEqual(ids(), ['fd00:0:0:0:0:0:0:3:80']);
  await pass(10_000);
  assert.deepEqual(
    lines.map(({ backend, found }) => [backend, found]),
    [
      ['fd00:0:0:0:0:0:0:1:80', 'fd00:0:0:0:0:0:0:1:80'],
      ['b', 'fd00:0:0:0:0:0:0:2:80'],
    ],
  );
  // The file names it no more: now it is one that has been found.
  dns.says.set('shop.test', DOWN);
  start(pool(`backends: [{ id: b, url: "http://[fd00::2]:80" }], ${dnsKey}`));
  await pass(0);
  assert.deepEqual(ids(), ['fd00:0:0:0:0:0:0:1:80', 'fd00:0:0:0:0:0:0:3:80']);
});

test('another name is looked up at once, and what was found stays until it is answered', async (t) => {
  const { dns, discovery, reports, start, pass, ids } = setUp(t);
  dns.says.set('shop.test', { records: ['10.0.0.1'] });
  dns.says.set('new.test', DOWN);
  start(SHOP);
  await pass(0);
  start({ ...SHOP, balance: 'random' });
  await pass(0);
  assert.equal(dns.asked, 1, 'nothing that matters here has changed');
  start(pool('discovery: { dns: { name: new.test, port: 80 } }'));
  await pass(0);
  assert.equal(dns.asked, 2);
  assert.deepEqual(ids(), ['10.0.0.1:80']);
  dns.says.set('new.test', { records: ['10.0.0.2'] });
  await pass(2000);
  assert.deepEqual(ids(), ['10.0.0.2:80']);
  start(pool('backends: [{ id: a, url: "http://a:1" }]'));
  await pass(60_000);
  assert.deepEqual(discovery.members('shop'), []);
  assert.equal(reports.length, 2);
  assert.equal(dns.asked, 3);
});

test('more members than there is room for are left out, and those that are there already stay', async (t) => {
  const { dns, lines, reports, start, pass } = setUp(t);
  const many = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => `10.0.${(from + i) >> 8}.${(from + i) & 255}`);
  dns.says.set('shop.test', { records: many(100, 512) });
  start(SHOP);
  await pass(0);
  assert.equal(reports.at(-1)?.length, 512);
  dns.says.set('shop.test', { records: many(0, 700) });
  await pass(20_000);
  assert.equal(reports.length, 1);
  assert.deepEqual(lines.length, 1);
  assert.equal(lines[0]?.found, 700);
});

test('a stop ends the look-up that is under way, and nothing is reported after it', async (t) => {
  const { clock, dns, discovery, reports, lines, start, pass } = setUp(t);
  start(SHOP);
  await pass(0);
  assert.equal(dns.underWay, 1);
  discovery.stop('shop');
  await pass(0);
  assert.equal(dns.underWay, 0);
  await pass(60_000);
  assert.deepEqual([dns.asked, reports.length, lines.length, clock.pending], [1, 0, 0, 0]);
});

test('the start waits until the DNS has spoken, and no longer than it is told to', async (t) => {
  for (const [answer, waits] of [
    [{ records: ['10.0.0.1'] }, false],
    [ABSENT, false],
    [DOWN, true],
    [undefined, true],
  ] as const) {
    const { clock, dns, discovery, start, pass } = setUp(t);
    if (answer !== undefined) dns.says.set('shop.test', answer);
    start(SHOP);
    let ready = false;
    const waiting = discovery.ready(5000).then(() => {
      ready = true;
    });
    await pass(0);
    assert.equal(ready, !waits);
    if (answer === DOWN) {
      dns.says.set('shop.test', { records: ['10.0.0.1'] });
      await pass(2000);
      assert.equal(discovery.members('shop').length, 1, 'it tries again while the start waits');
    } else await pass(5000);
    await waiting;
    discovery.close();
    await pass(0);
    assert.equal(clock.pending, 0);
  }
});

test('members come, go and stay as a real DNS server says', async (t) => {
  const server = await startDnsServer();
  t.after(() => server.close());
  const reports: string[][] = [];
  let failures = 0;
  const silent = () => {};
  const discovery = new DnsDiscovery({
    clock: SYSTEM_CLOCK,
    random: Math.random,
    log: { debug: silent, info: silent, warn: () => void failures++, error: silent },
  });
  t.after(() => discovery.close());
  server.set('shop.test', { A: ['127.0.0.2', '127.0.0.1'] });
  discovery.start(
    'shop',
    pool(`discovery: { dns: { name: shop.test, port: 80, refresh: 20ms, servers: ["${server.address}"] } }`),
    (members) => reports.push(members.map(({ id }) => id)),
  );
  await discovery.ready(30_000);
  assert.deepEqual(reports.at(-1), ['127.0.0.1:80', '127.0.0.2:80']);
  server.set('shop.test', { A: ['127.0.0.3', '127.0.0.2'] });
  await eventually('the change', () => reports.length === 2, 30_000);
  assert.deepEqual(reports.at(-1), ['127.0.0.2:80', '127.0.0.3:80']);
  server.set('shop.test', 'SERVFAIL');
  await eventually('the failure', () => failures === 1, 30_000);
  const asked = server.questions.length;
  await eventually('more questions', () => server.questions.length > asked + 3, 30_000);
  assert.equal(reports.length, 2);
  server.set('shop.test', { A: ['127.0.0.3'] });
  await eventually('the change after the failure', () => reports.at(-1)?.length === 1, 30_000);
});
