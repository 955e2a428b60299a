import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Find, FoundKey } from '../../src/affinity/strategy.ts';
import { type AffinityContract, affinityContract } from '../contracts/affinity.ts';
import { issuerOf, NOW, poolOf, requestOf, strategyOf } from './pool-fixture.ts';

const at = (client: string) => ({ head: requestOf([]), client });
const withLine = (line: string) => ({ head: requestOf([line]), client: '192.0.2.1' });
const withTarget = (target: string) => ({ head: requestOf([], target), client: '192.0.2.1' });
const jwt = (payload: unknown) =>
  ['{"alg":"RS256"}', JSON.stringify(payload), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');

const cookies = new Map<number, string>();
/** A cookie of session number `seed`, the same each time. */
function cookieOf(seed: number): string {
  let text = cookies.get(seed);
  if (text === undefined) {
    const issuer = issuerOf();
    const found = new FoundKey();
    issuer.create(found);
    issuer.setCookie(found, poolOf([]).backends[0]!, NOW, NOW, false);
    cookies.set(seed, (text = found.cookie));
  }
  return text;
}

const contracts: Record<string, AffinityContract> = {
  cookie: {
    make: (pool) => strategyOf({ by: 'cookie' }, {}, pool),
    request: (seed) => withLine(`Cookie: limpet=${cookieOf(seed)}`),
    empty: ['Cookie: limpet=', 'Cookie: a=b; limpet= ; c=d', 'Cookie: limpet', 'Cookie:'].map(withLine),
    garbage: (bytes) => withLine(`Cookie: limpet=${bytes}; limpet=${bytes}`),
  },
  'app-cookie': {
    make: (pool) => strategyOf({ by: 'app-cookie', name: 'JSESSIONID' }, {}, pool),
    request: (seed) => withLine(`Cookie: JSESSIONID=node${seed}`),
    empty: ['Cookie: JSESSIONID=', 'Cookie: a=b; JSESSIONID= ; c=d', 'Cookie: JSESSIONID', 'Cookie: jsessionid=x'].map(
      withLine,
    ),
    garbage: (bytes) => withLine(`Cookie: JSESSIONID=${bytes};JSESSIONID=${bytes}`),
  },
  header: {
    make: (pool) => strategyOf({ by: 'header', name: 'X-Session-Id', learn: true }, {}, pool),
    request: (seed) => withLine(`x-session-id: s${seed}`),
    empty: ['X-Session-Id:', 'X-Session-Id: \t', 'X_Session_Id: a', 'X-Session-Idx: a'].map(withLine),
    garbage: (bytes) => withLine(`X-Session-Id: ${bytes}`),
  },
  query: {
    make: (pool) => strategyOf({ by: 'query', name: 'sid' }, {}, pool),
    request: (seed) => withTarget(`/socket.io/?EIO=4&sid=s${seed}&t=1`),
    empty: ['/', '/?', '/?sid', '/?sid=', '/?sid=&a=b', '/?xsid=a', '/sid=a', '/?SID=a'].map(withTarget),
    garbage: (bytes) => withTarget(`/?sid=${bytes.replace(/[^!-~]|#/g, '')}`),
  },
  'token without claim': {
    make: (pool) => strategyOf({ by: 'token' }, {}, pool),
    request: (seed) => withLine(`Authorization: Bearer opaque${seed}`),
    empty: ['Authorization:', 'Authorization: Bearer', 'Authorization: Bearer  ', 'Authorization: Basic dTpw'].map(
      withLine,
    ),
    garbage: (bytes) => withLine(`Authorization: Bearer ${bytes}`),
  },
  'token with claim': {
    make: (pool) => strategyOf({ by: 'token', claim: 'sub' }, {}, pool),
    request: (seed) => withLine(`Authorization: Bearer ${jwt({ sub: `user${seed}` })}`),
    empty: [{ sub: '' }, {}, null, [], 'x', { sub: null }].map((payload) =>
      withLine(`Authorization: Bearer ${jwt(payload)}`),
    ),
    garbage: (bytes) => withLine(`Authorization: Bearer e30.${Buffer.from(bytes).toString('base64url')}.${bytes}`),
  },
  ip: {
    make: (pool) => strategyOf({ by: 'ip' }, {}, pool),
    request: (seed) => at(`198.51.100.${seed}`),
    empty: [at(''), at('unknown'), at('1.2.3'), at('0x7f.0.0.1')],
    garbage: (bytes) => at(bytes),
  },
};

for (const [name, contract] of Object.entries(contracts)) affinityContract(name, contract);

test('two key sources of one pool never share a Key for the same text (behaviour 22)', () => {
  const text = cookieOf(1);
  const head = requestOf(
    [`Cookie: limpet=${text}; JSESSIONID=${text}; PHPSESSID=${text}; token=${text}`, `X-A: ${text}`, `X-B: ${text}`],
    `/?sid=${text}&id=${text}`,
  );
  const sources = [
    { by: 'cookie' },
    { by: 'app-cookie', name: 'JSESSIONID' },
    { by: 'app-cookie', name: 'PHPSESSID' },
    { by: 'header', name: 'X-A' },
    { by: 'header', name: 'X-B' },
    { by: 'query', name: 'sid' },
    { by: 'query', name: 'id' },
    { by: 'token', from: 'cookie token' },
    { by: 'token', from: 'header X-A' },
  ];
  const keys = new Set<string>();
  for (const source of sources) {
    const found = new FoundKey();
    assert.equal(strategyOf(source).find(head, '192.0.2.1', 0, found), Find.found);
    keys.add([found.key.a, found.key.b, found.key.c, found.key.d].join());
  }
  assert.equal(keys.size, sources.length);
});

test('a change of secrets keeps the keys when the caller says what they are hashed with (behaviour 25)', () => {
  const head = requestOf(['X-A: one']);
  const keyOf = (changes: object) => {
    const found = new FoundKey();
    strategyOf({ by: 'header', name: 'X-A' }, changes).find(head, '', 0, found);
    return found.key;
  };
  const old = new Uint8Array(32).fill(1);
  const fresh = new Uint8Array(32).fill(2);
  assert.ok(keyOf({ secrets: [old] }).equals(keyOf({ secrets: [fresh, old], keySecret: old })));
  assert.equal(keyOf({ secrets: [old] }).equals(keyOf({ secrets: [fresh, old] })), false);
});
