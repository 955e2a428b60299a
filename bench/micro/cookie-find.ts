/**
 * What it costs to find limpet's cookie in a request, to take it out of the Cookie line, and to choose the route, in ns
 * of CPU time. `node bench/micro/cookie-find.ts`
 */
import { randomBytes } from 'node:crypto';
import { CookieAffinity } from '../../src/affinity/cookie.ts';
import { stripCookies } from '../../src/affinity/cookie-strip.ts';
import { type CookieProof, FoundKey } from '../../src/affinity/strategy.ts';
import type { Backend } from '../../src/backends/backend.ts';
import type { Pool } from '../../src/backends/pool.ts';
import { routeSchema } from '../../src/config/listener-schema.ts';
import { poolSchema } from '../../src/config/pool-schema.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { buildRouter } from '../../src/routing/router.ts';
import { PLAIN_GET, requestHead } from '../request-head.ts';
import { spread } from '../statistics.ts';

const CALLS = 200_000;
const ROUNDS = 9;

const backend: Backend = {
  id: 'a',
  pool: 'shop',
  poolIndex: 0,
  slot: 0,
  generation: 1,
  since: 0,
  departing: false,
  socketPath: null,
  secure: false,
  host: '127.0.0.1',
  port: 9001,
  authority: '127.0.0.1:9001',
  url: 'http://127.0.0.1:9001',
  backup: false,
  maxRequests: 0,
  replicas: [],
  hash: 1,
};
const pool: Pool = {
  name: 'shop',
  index: 0,
  config: poolSchema.parse({ backends: [{ id: 'a', url: backend.url }] }),
  backends: [backend],
  byId: new Map([['a', backend]]),
  bySlot: [backend],
};
const config = pool.config.affinity[0]!;
if (config.by !== 'cookie') throw new Error('the default of affinity is not the cookie any more');
const issuer = new CookieAffinity(config, {
  pool,
  secrets: [randomBytes(32)],
  now: Date.now,
  since: () => 0,
  randomBytes: (bytes) => void crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
  warn: console.error,
});

const found = new FoundKey();
const proof: CookieProof = { began: 0, issued: 0, backend: null, binding: 0 };
function cookie(): string {
  issuer.create(found);
  issuer.setCookie(found, backend, Date.now(), Date.now(), false);
  return `limpet=${found.text}`;
}
function parsed(cookies: string): Head {
  const head = new Head();
  const bytes = Buffer.from(
    requestHead('shop.example', { ...PLAIN_GET, headers: 'browser' }, ['Cookie', cookies]),
    'latin1',
  );
  if (head.parseRequest(bytes, 0, bytes.length) !== Parse.done) throw new Error(head.problem);
  return head;
}

const names = ['limpet'];
const strip = (head: Head): string | null =>
  stripCookies(head.text, head.valueStart(head.cookieLine), head.valueEnd(head.cookieLine), names);
const others = '_ga=GA1.2.1234567890.1234567890; theme=dark; consent=all';
const alone = parsed(cookie());
const another = parsed(cookie());
const among = parsed(`${others}; ${cookie()}; lang=en`);
const without = parsed(others);

const pools = new Map([['shop', pool]]);
const route = (match: object) => routeSchema.parse({ match, pool: 'shop' });
const one = buildRouter({ routes: [route({})] }, pools);
const four = buildRouter(
  {
    routes: [
      route({ host: 'api.example' }),
      route({ host: '*.shop.example' }),
      route({ path: '/admin' }),
      route({ host: 'shop.example', path: '/' }),
    ],
  },
  pools,
);

let turn = 0;
const subjects: Readonly<Record<string, () => unknown>> = {
  'find, the cookie of the last request': () => issuer.find(alone, '', 0, found),
  'find, among four others, of the last request': () => issuer.find(among, '', 0, found),
  'find, another cookie each time': () => issuer.find(turn++ & 1 ? alone : another, '', 0, found),
  'find, none among three others': () => issuer.find(without, '', 0, found),
  'strip, alone': () => strip(alone),
  'strip, among four others': () => strip(among),
  'strip, none among three others': () => strip(without),
  'route, one for everything': () => one.match(alone),
  'route, the last of four': () => four.match(alone),
};
const slow: Readonly<Record<string, () => unknown>> = {
  'create and setCookie': cookie,
  verify: () => issuer.verify(found, Date.now(), proof),
};

function measure(name: string, calls: number, subject: () => unknown): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < calls; i++) subject();
    const { user, system } = process.cpuUsage(start);
    times.push(((user + system) * 1000) / calls);
  }
  const { median, min, max } = spread(times.slice(2));
  console.log(`${name}: ${median.toFixed(0)} ns (${min.toFixed(0)} to ${max.toFixed(0)})`);
}
for (const [name, subject] of Object.entries(subjects)) measure(name, CALLS, subject);
for (const [name, subject] of Object.entries(slow)) measure(name, CALLS / 20, subject);
