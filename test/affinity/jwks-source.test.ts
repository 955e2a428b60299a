import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { jwksSource } from '../../src/affinity/jwks-source.ts';
import { Find, FoundKey } from '../../src/affinity/strategy.ts';
import { type JwksServer, jwksServer } from './jwks-server.ts';
import { requestOf, strategyOf } from './pool-fixture.ts';

/** Keys are always too old, so that each token asks for them. */
const TIMES = { timeout: 30_000, retry: 5_000, maxAge: 0, cooldown: 0, stale: 60_000 };

interface Fixture {
  readonly server: JwksServer;
  readonly warnings: string[];
  readonly clock: { now: number };
  /** Whether a good token verifies. */
  readonly verify: () => Promise<boolean>;
}

async function fixture(t: TestContext, times = TIMES): Promise<Fixture> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const server = await jwksServer(t, [await exportJWK(publicKey)]);
  const token = await new SignJWT({ sub: 'u' }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
  const warnings: string[] = [];
  const clock = { now: 1_000_000 };
  const source = jwksSource(
    server.url,
    { now: () => clock.now, warn: (message) => void warnings.push(message) },
    times,
  );
  const verify = async (): Promise<boolean> => {
    try {
      await jwtVerify(token, source);
      return true;
    } catch {
      return false;
    }
  };
  return { server, warnings, clock, verify };
}

// The default of the timeout is longer than the test may take.
test('an address that hangs is given up after its timeout, for all that wait by one fetch, with one warning', {
  timeout: 2_500,
}, async (t) => {
  const { server, warnings, verify } = await fixture(t, { ...TIMES, timeout: 50 });
  server.answer = null;
  assert.deepEqual(await Promise.all([verify(), verify(), verify()]), [false, false, false]);
  assert.ok(server.requests <= 1);
  assert.equal(warnings.length, 1);
  assert.ok(warnings[0]!.startsWith(`the key set at ${server.url} cannot be read: `), warnings[0]!);
});

test('after a failure nobody waits for the address again before its time', async (t) => {
  const { server, warnings, clock, verify } = await fixture(t);
  server.answer = { status: 500, body: '' };
  assert.equal(await verify(), false);
  clock.now += 4_999;
  assert.equal(await verify(), false);
  assert.equal(server.requests, 1);
  clock.now++;
  assert.equal(await verify(), false);
  assert.equal(server.requests, 2);
  assert.equal(warnings.length, 1);
});

test('a clock that is set back does not put off the next look at an address that has failed', async (t) => {
  const { server, clock, verify } = await fixture(t);
  const good = server.answer;
  server.answer = { status: 500, body: '' };
  assert.equal(await verify(), false);
  server.answer = good;
  clock.now -= 900_000;
  assert.equal(await verify(), true);
});

test('the keys that are known serve while the address is down, for a bounded time, and its return is told', async (t) => {
  const { server, warnings, clock, verify } = await fixture(t);
  const good = server.answer;
  assert.equal(await verify(), true);
  server.answer = { status: 200, body: 'no json' };
  assert.equal(await verify(), true);
  assert.equal(warnings.length, 1);
  clock.now += 59_999;
  assert.equal(await verify(), true);
  clock.now++;
  assert.equal(await verify(), false);
  server.answer = good;
  clock.now += 5_000;
  assert.equal(await verify(), true);
  assert.deepEqual(warnings.slice(1), [`the key set at ${server.url} can be read again`]);
});

test('an address that refuses the connection is an invalid key or a refusal, with a warning, and never an exception', async (t) => {
  const server = await jwksServer(t, []);
  await server.close();
  const warnings: string[] = [];
  for (const [onInvalid, expected] of [
    ['ignore', Find.invalid],
    ['reject', Find.unavailable],
  ] as const) {
    const strategy = strategyOf(
      { by: 'token', claim: 'sub', verify: { jwksUrl: server.url, onInvalid } },
      { warn: (message) => warnings.push(message) },
    );
    const head = requestOf(['Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA']);
    const found = new FoundKey();
    assert.equal(strategy.find(head, '', 0, found), Find.pending);
    await found.wait;
    assert.equal(strategy.find(head, '', 0, found), expected);
  }
  assert.equal(warnings.length, 2);
  assert.match(warnings[0]!, /ECONNREFUSED/);
});

test('a token that no key fits does not count as a failure of the address', async (t) => {
  const { server, warnings, verify } = await fixture(t);
  const { publicKey } = await generateKeyPair('ES384');
  server.answer = { status: 200, body: JSON.stringify({ keys: [await exportJWK(publicKey)] }) };
  assert.equal(await verify(), false);
  assert.equal(await verify(), false);
  assert.deepEqual(warnings, []);
});
