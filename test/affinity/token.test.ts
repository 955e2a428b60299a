import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { type AffinityStrategy, Find, FoundKey } from '../../src/affinity/strategy.ts';
import type { TokenAffinity } from '../../src/affinity/token.ts';
import { looksLikeToken } from '../../src/affinity/token-claim.ts';
import { threadMemory } from '../../src/limits/thread-memory.ts';
import { jwksServer } from './jwks-server.ts';
import { NOW, requestOf, strategyOf } from './pool-fixture.ts';

const SECRET = 'a shared secret of more than 32 bytes';
const SECONDS = NOW / 1000;

/** A certificate of a P-256 key that was thrown away, and a token that the key signed. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBgzCCASmgAwIBAgIUMDKBQAL02WEzEk9ohTCpFEot4YAwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLbGltcGV0LXRlc3QwIBcNMjYxMTIyMDIzNDI1WhgPMjEyNjEw
MjkwMjM0MjVaMBYxFDASBgNVBAMMC2xpbXBldC10ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEZe/pDxHSZcN2qETKgQekwl1lVUOBnqN/HoTgUu7PVhHVVSCn
ZTWdJrrndJtnbRWlAuReiHTg+0WVnT5V2oU9rqNTMFEwHQYDVR0OBBYEFJT+ch/C
Sm8OSJ3kt+YvQUwVY6/UMB8GA1UdIwQYMBaAFJT+ch/CSm8OSJ3kt+YvQUwVY6/U
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhALulT6uYlXT8CVOR
F6a2vUBl1t2JGBf1qEXAYPSJEQ2yAiAeLyHmsPxGSlDZEjy1iPBkPC9l0AvUD+9C
wrUpf6JOWQ==
-----END CERTIFICATE-----
`;
const CERTIFIED =
  'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1In0.kQe4ahQhsXkUGl6s3WLnc9yza3MeJmULWALYnMGh0ZXt0X3l89R4qHdBhlOxiUY-NXSuc29--SO18p4Ot9VV-Q';

interface Signing {
  readonly key: Uint8Array | KeyObject | CryptoKey;
  readonly alg: string;
  readonly kid?: string;
}
const shared: Signing = { key: new TextEncoder().encode(SECRET), alg: 'HS256' };

function sign(payload: Record<string, unknown>, { key, alg, kid }: Signing = shared): Promise<string> {
  return new SignJWT(payload).setProtectedHeader(kid === undefined ? { alg } : { alg, kid }).sign(key);
}

/** What becomes of a token, after waiting as the data path does; `found` has its key. */
async function find(strategy: AffinityStrategy, token: string, found = new FoundKey()): Promise<number> {
  const head = requestOf([`Authorization: Bearer ${token}`]);
  for (let i = 0; i < 3; i++) {
    const result = strategy.find(head, '', 0, found);
    if (result !== Find.pending) return result;
    assert.ok(found.wait);
    await found.wait;
  }
  throw new Error('it is pending again and again');
}

async function keyOf(strategy: AffinityStrategy, token: string): Promise<string> {
  const found = new FoundKey();
  assert.equal(await find(strategy, token, found), Find.found);
  return [found.key.a, found.key.b, found.key.c, found.key.d].join();
}

const bySecret = (verify: object = {}, more: object = {}) => ({
  by: 'token',
  claim: 'sub',
  verify: { secret: SECRET, ...verify },
  ...more,
});

test('a renewed token finds the same session by its claim, with and without verify (behaviour 19)', async () => {
  const [first, renewed, other] = await Promise.all([
    sign({ sub: 'u1', iat: SECONDS }),
    sign({ sub: 'u1', iat: SECONDS - 60 }),
    sign({ sub: 'u2', iat: SECONDS }),
  ]);
  for (const strategy of [strategyOf({ by: 'token', claim: 'sub' }), strategyOf(bySecret())]) {
    assert.equal(await keyOf(strategy, first), await keyOf(strategy, renewed));
    assert.notEqual(await keyOf(strategy, first), await keyOf(strategy, other));
  }
});

test('without a claim the whole token is the key', async () => {
  const strategy = strategyOf({ by: 'token' });
  assert.equal(await keyOf(strategy, 'opaque'), await keyOf(strategy, 'opaque'));
  assert.notEqual(await keyOf(strategy, 'opaque'), await keyOf(strategy, 'Opaque'));
});

test('a number is a key, as long as it is exact; nothing else but a string is', async () => {
  const strategy = strategyOf({ by: 'token', claim: 'sub' });
  const token = (json: string) => `e30.${Buffer.from(json).toString('base64url')}.x`;
  assert.equal(await keyOf(strategy, token('{"sub":42}')), await keyOf(strategy, token('{"sub":"42"}')));
  for (const json of [
    '{"sub":12345678901234567890}',
    '{"sub":1.5}',
    '{"sub":true}',
    '{"sub":null}',
    '{"sub":["u"]}',
    '{"sub":""}',
    '{}',
    '"sub"',
    '[]',
    'x',
  ])
    assert.equal(await find(strategy, token(json)), Find.invalid, json);
  assert.equal(await find(strategyOf({ by: 'token', claim: 'length' }), token('["a"]')), Find.invalid);
});

test('claims beyond latin1 are told apart', async () => {
  for (const strategy of [strategyOf({ by: 'token', claim: 'sub' }), strategyOf(bySecret())]) {
    const keys = await Promise.all(['名前', '名剂', 'é', 'e'].map(async (sub) => keyOf(strategy, await sign({ sub }))));
    assert.equal(new Set(keys).size, 4);
  }
});

test('the token is found in Authorization, in a header and in a cookie', () => {
  const textOf = (config: object, line: string, nth = 0) => {
    const found = new FoundKey();
    const result = strategyOf({ by: 'token', ...config }).find(requestOf([line]), '', nth, found);
    return result === Find.found ? found.text : result;
  };
  for (const line of ['Authorization: Bearer t', 'authorization: BEARER   t', 'Authorization: DPoP t'])
    assert.equal(textOf({}, line), 't', line);
  for (const line of [
    'Authorization: Bearert',
    'Authorization: Basic t',
    'Authorization: Digest username=a',
    'X-Token: Bearer t',
  ])
    assert.equal(textOf({}, line), Find.none, line);
  assert.equal(textOf({ from: 'header X-Token' }, 'x-token: t'), 't');
  assert.equal(textOf({ from: 'header X-Token' }, 'X-Token: bearer t'), 't');
  assert.equal(textOf({ from: 'cookie jwt' }, 'Cookie: a=b; jwt=t; jwt=u'), 't');
  assert.equal(textOf({ from: 'cookie jwt' }, 'Cookie: a=b; jwt=t; jwt=u', 1), 'u');
});

test('a token that verifies is known from then on: find answers at once', async () => {
  const strategy = strategyOf(bySecret());
  const token = await sign({ sub: 'u1', exp: SECONDS + 100 });
  const head = requestOf([`Authorization: Bearer ${token}`]);
  const found = new FoundKey();
  assert.equal(strategy.find(head, '', 0, found), Find.pending);
  await found.wait;
  assert.equal(strategy.find(head, '', 0, found), Find.found);
  assert.equal(strategy.find(head, '', 0, new FoundKey()), Find.found);
});

test('tokens that do not verify are invalid, or refused when the operator wants that', async () => {
  const ours = { sub: 'u', iss: 'us', aud: 'shop' };
  const tokens = {
    'another secret': await sign(ours, { key: new TextEncoder().encode(`${SECRET}!`), alg: 'HS256' }),
    'an algorithm that is not allowed': await sign(ours, { ...shared, alg: 'HS512' }),
    'no algorithm': new UnsecuredJWT(ours).encode(),
    'no signature': (await sign(ours)).replace(/[^.]*$/, ''),
    'an end that is past': await sign({ ...ours, exp: SECONDS - 1 }),
    'a beginning that is to come': await sign({ ...ours, nbf: SECONDS + 10 }),
    'another issuer': await sign({ ...ours, iss: 'them' }),
    'no audience': await sign({ sub: 'u', iss: 'us' }),
    'no form of a token': 'opaque',
    'a payload that is none': 'e30.e30.e30',
  };
  const verify = { algorithms: ['HS256'], issuer: 'us', audience: ['shop', 'api'] };
  const ignore = strategyOf(bySecret(verify));
  const reject = strategyOf(bySecret({ ...verify, onInvalid: 'reject' }));
  for (const [what, token] of Object.entries(tokens)) {
    assert.equal(await find(ignore, token), Find.invalid, what);
    assert.equal(await find(reject, token), Find.rejected, what);
  }
  const good = await sign({ sub: 'u', iss: 'us', aud: 'api', exp: SECONDS + 1, nbf: SECONDS });
  assert.equal(await find(ignore, good), Find.found);
  assert.equal(await find(reject, good), Find.found);
});

test('a request without a token is not refused, and a good token without the claim is none', async () => {
  const strategy = strategyOf(bySecret({ onInvalid: 'reject' }));
  assert.equal(strategy.find(requestOf([]), '', 0, new FoundKey()), Find.none);
  assert.equal(await find(strategy, await sign({ name: 'u' })), Find.invalid);
});

test('a key does not outlive its token, neither in the cache nor in the memo of a connection', async () => {
  let now = NOW;
  const strategy = strategyOf(bySecret(), { now: () => now });
  const found = new FoundKey();
  const token = await sign({ sub: 'u', exp: SECONDS + 10 });
  assert.equal(await find(strategy, token, found), Find.found);
  now += 9_999;
  assert.equal(strategy.find(requestOf([`Authorization: Bearer ${token}`]), '', 0, found), Find.found);
  now++;
  assert.equal(await find(strategy, token, found), Find.invalid);
  assert.equal(await find(strategy, token), Find.invalid);
});

test('a token without an end is checked again after ten minutes', async () => {
  let now = NOW;
  const strategy = strategyOf(bySecret(), { now: () => now });
  const head = requestOf([`Authorization: Bearer ${await sign({ sub: 'u' })}`]);
  const found = new FoundKey();
  assert.equal(strategy.find(head, '', 0, found), Find.pending);
  await found.wait;
  now += 599_999;
  assert.equal(strategy.find(head, '', 0, found), Find.found);
  now++;
  assert.equal(strategy.find(head, '', 0, found), Find.pending);
  await found.wait;
  assert.equal(strategy.find(head, '', 0, found), Find.found);
});

test('a refusal is remembered shortly, so that a token may become valid', async () => {
  let now = NOW;
  const strategy = strategyOf(bySecret(), { now: () => now });
  const token = await sign({ sub: 'u', nbf: SECONDS + 4 });
  assert.equal(await find(strategy, token), Find.invalid);
  now += 4_999;
  assert.equal(strategy.find(requestOf([`Authorization: Bearer ${token}`]), '', 0, new FoundKey()), Find.invalid);
  now++;
  assert.equal(await find(strategy, token), Find.found);
});

test('a refusal does not last longer because the clock is set back', async () => {
  let now = NOW;
  const strategy = strategyOf(bySecret(), { now: () => now });
  const token = await sign({ sub: 'u', exp: SECONDS - 100 });
  assert.equal(await find(strategy, token), Find.invalid);
  // It was an hour ahead.
  now -= 3_600_000;
  assert.equal(await find(strategy, token), Find.found);
});

test('requests that carry one token wait for one check', async () => {
  const strategy = strategyOf(bySecret());
  const head = requestOf([`Authorization: Bearer ${await sign({ sub: 'u' })}`]);
  const waits = Array.from({ length: 10 }, () => {
    const found = new FoundKey();
    assert.equal(strategy.find(head, '', 0, found), Find.pending);
    return found.wait;
  });
  assert.equal(new Set(waits).size, 1);
  await waits[0];
});

test('keys are fetched once for many requests that wait, and not again', async (t) => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const server = await jwksServer(t, [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }]);
  const strategy = strategyOf({ by: 'token', claim: 'sub', verify: { jwksUrl: server.url, onInvalid: 'reject' } });
  const signing: Signing = { key: privateKey, alg: 'ES256', kid: 'one' };
  const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => sign({ sub: `u${i}` }, signing)));
  assert.deepEqual(await Promise.all(tokens.map((token) => find(strategy, token))), Array(20).fill(Find.found));
  assert.equal(await find(strategy, await sign({ sub: 'later' }, signing)), Find.found);
  assert.equal(server.requests, 1);
  // A key that is not in the set does not make limpet ask again and again.
  assert.equal(await find(strategy, await sign({ sub: 'u' }, { ...signing, kid: 'two' })), Find.rejected);
  assert.equal(server.requests, 1);
});

test('a token without a key id is tried with each key of the set that fits', async (t) => {
  const pairs = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256'), generateKeyPair('ES256')]);
  const keys = await Promise.all(
    pairs.slice(0, 2).map(async ({ publicKey }, i) => ({ ...(await exportJWK(publicKey)), kid: `${i}` })),
  );
  const server = await jwksServer(t, keys);
  const strategy = strategyOf({ by: 'token', claim: 'sub', verify: { jwksUrl: server.url } });
  const results = await Promise.all(
    pairs.map(async ({ privateKey }) => find(strategy, await sign({ sub: 'u' }, { key: privateKey, alg: 'ES256' }))),
  );
  assert.deepEqual(results, [Find.found, Find.found, Find.invalid]);
});

test('a shared-secret token signed with the public key is not taken (RFC 8725 section 2.1)', async (t) => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const file = keyFile(t, pem);
  const strategy = strategyOf({ by: 'token', claim: 'sub', verify: { publicKeyFile: file, onInvalid: 'reject' } });
  assert.equal(
    await find(strategy, await sign({ sub: 'admin' }, { key: new TextEncoder().encode(pem), alg: 'HS256' })),
    Find.rejected,
  );
});

function keyFile(t: { after: (done: () => void) => void }, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-keys-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'key');
  writeFileSync(file, text);
  return file;
}

test('a public key is read from PEM, JWK and JWKS', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
  const jwk = (key: KeyObject) => key.export({ format: 'jwk' });
  const files: readonly (readonly [string, Signing])[] = [
    [spki(rsa.publicKey), { key: rsa.privateKey, alg: 'RS256' }],
    [spki(rsa.publicKey), { key: rsa.privateKey, alg: 'PS512' }],
    [spki(ec.publicKey), { key: ec.privateKey, alg: 'ES256' }],
    [spki(ed.publicKey), { key: ed.privateKey, alg: 'EdDSA' }],
    [spki(ed.publicKey), { key: ed.privateKey, alg: 'Ed25519' }],
    [JSON.stringify(jwk(ec.publicKey)), { key: ec.privateKey, alg: 'ES256' }],
    [JSON.stringify({ keys: [jwk(rsa.publicKey), jwk(ec.publicKey)] }), { key: ec.privateKey, alg: 'ES256' }],
  ];
  for (const [text, signing] of files) {
    const strategy = strategyOf({ by: 'token', claim: 'sub', verify: { publicKeyFile: keyFile(t, text) } });
    assert.equal(
      await find(strategy, await sign({ sub: 'u' }, signing)),
      Find.found,
      `${signing.alg} ${text.slice(0, 30)}`,
    );
    assert.equal(await find(strategy, await sign({ sub: 'u' })), Find.invalid);
  }
});

test('a certificate holds a public key too', async (t) => {
  const strategy = strategyOf({ by: 'token', claim: 'sub', verify: { publicKeyFile: keyFile(t, CERTIFICATE) } });
  assert.equal(await find(strategy, CERTIFIED), Find.found);
});

test('a key file that is no good says which one, where it is named and why', (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const at = 'pools.shop.affinity[0].verify.publicKeyFile: ';
  const make = (file: string) => () => strategyOf({ by: 'token', claim: 'sub', verify: { publicKeyFile: file } });
  const files: readonly (readonly [string, string])[] = [
    ['no key at all', 'is not a PEM file with a public key or certificate, a JSON Web Key or a JSON Web Key Set: '],
    [
      privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'holds a private key: put the public key or the certificate there',
    ],
    [JSON.stringify(privateKey.export({ format: 'jwk' })), 'a key of the set is not a public key'],
    [JSON.stringify({ kty: 'oct', k: 'AAAA' }), 'a key of the set is not a public key'],
    ['{}', 'a key of the set is not a public key'],
    ['{"keys":[]}', 'a key of the set is not a public key'],
    ['{"keys":', 'JSON'],
  ];
  for (const [text, message] of files) {
    const file = keyFile(t, text);
    assert.throws(make(file), (error: Error) => {
      assert.equal(error.name, 'StartError');
      assert.ok(error.message.startsWith(`${at}${file} `), error.message);
      assert.ok(error.message.includes(message), error.message);
      return true;
    });
  }
  assert.throws(make('/nowhere/key.pem'), {
    name: 'StartError',
    message:
      /^pools\.shop\.affinity\[0\]\.verify\.publicKeyFile: cannot read \/nowhere\/key\.pem: there is no such file/,
  });
});

test('a signature has one spelling: what is left over of its last character is zero (RFC 4648 3.5)', async () => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const signed = await sign({ sub: 'anna' }, shared);
  assert.equal(looksLikeToken(signed), true);
  const last = letters.indexOf(signed.at(-1)!);
  // 32 bytes are 42 characters and 4 bits of another one.
  for (const bits of [1, 2, 3]) assert.equal(looksLikeToken(signed.slice(0, -1) + letters[last ^ bits]), false);
});

test('tokens that nobody has signed take no memory by their length', () => {
  const strategy = strategyOf({ by: 'token', claim: 'sub' });
  const found = new FoundKey();
  const payload = (n: number): string =>
    Buffer.from(`{"sub":"u${n}","pad":"${'x'.repeat(11_000)}"}`).toString('base64url');
  threadMemory.collect();
  const before = threadMemory.used;
  for (let n = 0; n < 1_500; n++) {
    const head = requestOf([`Authorization: Bearer e30.${payload(n)}.c2ln`]);
    assert.equal(strategy.find(head, '', 0, found), Find.found);
    assert.equal((strategy as TokenAffinity).userOf(head), `u${n}`);
  }
  threadMemory.collect();
  const mebibytes = (threadMemory.used - before) / 1_048_576;
  assert.equal(strategy.source, 'token');
  assert.ok(mebibytes < 12, `${mebibytes} MiB`);
});
