import { randomBytes } from 'node:crypto';
import type { CookieProof } from '../../src/affinity/strategy.ts';
import type { Backend } from '../../src/backends/backend.ts';
import { BackendLife } from '../../src/backends/backend-life.ts';
import type { Pool } from '../../src/backends/pool.ts';
import { allocateSharedState, SharedLayout } from '../../src/backends/shared-layout.ts';
import type { Head } from '../../src/http1/head.ts';
import { PLAIN_GET, requestHead } from '../request-head.ts';
import { calls, moduleOf, type Suite } from './pass.ts';

type CookieModule = typeof import('../../src/affinity/cookie.ts');
type StripModule = typeof import('../../src/affinity/cookie-strip.ts');
type StrategyModule = typeof import('../../src/affinity/strategy.ts');
type ListenerSchema = typeof import('../../src/config/listener-schema.ts');
type PoolSchema = typeof import('../../src/config/pool-schema.ts');
type HeadModule = typeof import('../../src/http1/head.ts');
type RouterModule = typeof import('../../src/routing/router.ts');

const backend: Backend = {
  id: 'a',
  pool: 'shop',
  poolIndex: 0,
  slot: 0,
  generation: 1,
  life: new BackendLife(new SharedLayout(allocateSharedState(1, 64)), 0, 1),
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
/** What it costs to find limpet's cookie in a request, to take it out of the Cookie line, and to choose the route. */
export const cookieFind: Suite = async (root) => {
  const { CookieAffinity } = await moduleOf<CookieModule>(root, 'src/affinity/cookie.ts');
  const { stripCookies } = await moduleOf<StripModule>(root, 'src/affinity/cookie-strip.ts');
  const { Find, FoundKey } = await moduleOf<StrategyModule>(root, 'src/affinity/strategy.ts');
  const { routeSchema } = await moduleOf<ListenerSchema>(root, 'src/config/listener-schema.ts');
  const { poolSchema } = await moduleOf<PoolSchema>(root, 'src/config/pool-schema.ts');
  const { Head: HeadClass, Parse } = await moduleOf<HeadModule>(root, 'src/http1/head.ts');
  const { buildRouter } = await moduleOf<RouterModule>(root, 'src/routing/router.ts');
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
    const line = issuer.setCookie(found, backend, Date.now(), Date.now(), false);
    return /limpet=[^;]+/.exec(line)![0];
  }
  function parsed(cookies: string): Head {
    const head = new HeadClass();
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
  for (const head of [alone, another, among])
    if (issuer.find(head, '', 0, found) !== Find.found) throw new Error('a cookie that was made here is not found');

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

  return {
    'find, the cookie of the last request': calls(() => issuer.find(alone, '', 0, found)),
    'find, among four others, of the last request': calls(() => issuer.find(among, '', 0, found)),
    'find, another cookie each time': calls((turn) => issuer.find(turn & 1 ? alone : another, '', 0, found)),
    'find, none among three others': calls(() => issuer.find(without, '', 0, found)),
    'strip, alone': calls(() => strip(alone)),
    'strip, among four others': calls(() => strip(among)),
    'strip, none among three others': calls(() => strip(without)),
    'route, one for everything': calls(() => one.match(alone)),
    'route, the last of four': calls(() => four.match(alone)),
    'create and setCookie': calls(cookie),
    verify: calls(() => {
      issuer.find(alone, '', 0, found);
      return issuer.verify(found, Date.now(), proof);
    }),
  };
};
