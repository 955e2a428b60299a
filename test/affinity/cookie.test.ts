import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildCascade } from '../../src/affinity/cascade.ts';
import { CookieCodec } from '../../src/affinity/cookie-codec.ts';
import { type CookieIssuer, type CookieProof, Find, FoundKey } from '../../src/affinity/strategy.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { SeededRandom } from '../fuzz/seeded-random.ts';
import { contextOf, issuerOf, NOW, poolOf, requestOf, secretOf } from './pool-fixture.ts';

const pool = poolOf([{ by: 'cookie' }]);
const [a, b] = [pool.byId.get('a')!, pool.byId.get('b')!];
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const codec = new CookieCodec([secretOf(1)], pool);

function shuffled<T>(list: readonly T[], random: SeededRandom): T[] {
  const result = [...list];
  for (let n = result.length - 1; n > 0; n--) {
    const other = random.below(n + 1);
    [result[n], result[other]] = [result[other]!, result[n]!];
  }
  return result;
}

function issue(issuer: CookieIssuer, backend = a, began = NOW, now = NOW): FoundKey {
  const found = new FoundKey();
  issuer.create(found);
  issuer.setCookie(found, backend, began, now, false);
  return found;
}

/** What a cookie of this value proves to the issuer; null: nothing. */
function proofOf(issuer: CookieIssuer, value: string, now = NOW): CookieProof | null {
  const found = new FoundKey();
  if (issuer.find(requestOf([`Cookie: limpet=${value}`]), '', 0, found) !== Find.found) return null;
  const proof: CookieProof = { began: -1, issued: -1, backend: null, binding: 0 };
  return issuer.verify(found, now, proof) ? proof : null;
}

test('a cookie proves when its session began, when it was issued and where the session lives', () => {
  const issuer = issuerOf();
  const found = issue(issuer, b, NOW - 5000, NOW - 1000);
  assert.deepEqual(proofOf(issuer, found.cookie), { began: NOW - 5000, issued: NOW - 1000, backend: b, binding: 0 });
  assert.match(found.cookie, /^[A-Za-z0-9_-]{76}$/);
});

test('the key is made of the session id alone: a cookie that is made anew finds the same session', () => {
  const issuer = issuerOf();
  const found = issue(issuer);
  const first = found.cookie;
  issuer.setCookie(found, b, NOW, NOW + 1, false);
  assert.notEqual(found.cookie, first);
  for (const value of [first, found.cookie]) {
    const again = new FoundKey();
    issuer.find(requestOf([`Cookie: limpet=${value}`]), '', 0, again);
    assert.ok(again.key.equals(found.key));
  }
});

test('each new session has an id of its own', () => {
  const issuer = issuerOf();
  const ids = new Set(Array.from({ length: 1000 }, () => issue(issuer).cookie.slice(0, 24)));
  assert.equal(ids.size, 1000);
});

test('a session id is exactly the random bytes it was given', () => {
  const issuer = issuerOf({}, { randomBytes: (bytes) => bytes.fill(0xff) });
  const found = new FoundKey();
  issuer.create(found);
  assert.equal(found.cookie, '_'.repeat(24));
});

test('10,000 mutations of a valid cookie never verify (behaviour 11)', () => {
  const issuer = issuerOf();
  const valid = issue(issuer).cookie;
  const position = fc.integer({ min: 0, max: 71 });
  const edit = fc.tuple(position, fc.constantFrom(...ALPHABET));
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), (edits) => {
      const characters = [...valid];
      for (const [at, character] of edits) characters[at] = character;
      const mutated = characters.join('');
      if (mutated !== valid) assert.equal(proofOf(issuer, mutated), null, mutated);
    }),
    { numRuns: 10_000 },
  );
});

test('a cookie with any one byte changed does not verify', () => {
  const issuer = issuerOf();
  const valid = Buffer.from(issue(issuer).cookie, 'base64url');
  for (let i = 0; i < valid.length; i++) {
    for (const flip of [1, 0x80, 0xff]) {
      const changed = Buffer.from(valid);
      changed[i]! ^= flip;
      assert.equal(proofOf(issuer, changed.toString('base64url')), null, `byte ${i}`);
    }
  }
});

test('the MAC is compared in constant time, against each secret (behaviour 11)', (t) => {
  const compare = t.mock.method(crypto, 'timingSafeEqual');
  syncBuiltinESMExports();
  const issuer = issuerOf({}, { secrets: [secretOf(1), secretOf(2)] });
  assert.equal(proofOf(issuer, 'A'.repeat(76)), null);
  assert.deepEqual(
    compare.mock.calls.map(({ arguments: [mac] }) => mac.byteLength),
    [15, 15],
  );
  t.mock.restoreAll();
  syncBuiltinESMExports();
});

test('parts of two valid cookies do not make a third one', () => {
  const issuer = issuerOf();
  const [one, two] = [issue(issuer, a).cookie, issue(issuer, b).cookie];
  for (const cut of [24, 32, 40, 56, 60, 72]) assert.equal(proofOf(issuer, one.slice(0, cut) + two.slice(cut)), null);
});

test('a cookie of one pool is nothing to another pool with the same secret and the same backends', () => {
  const shop = issuerOf();
  const api = issuerOf({}, {}, 'api');
  assert.notEqual(proofOf(shop, issue(shop).cookie), null);
  assert.equal(proofOf(api, issue(shop).cookie), null);
});

test('after a rotation cookies of the old secret still verify, new ones are signed with the new secret (behaviour 11)', () => {
  const old = issuerOf({}, { secrets: [secretOf(1)] });
  const rotated = issuerOf({}, { secrets: [secretOf(2), secretOf(1)] });
  const after = issuerOf({}, { secrets: [secretOf(2)] });
  assert.deepEqual(proofOf(rotated, issue(old, b).cookie), { began: NOW, issued: NOW, backend: b, binding: 0 });
  assert.deepEqual(proofOf(after, issue(rotated, b).cookie), { began: NOW, issued: NOW, backend: b, binding: 0 });
  assert.equal(proofOf(after, issue(old).cookie), null);
  assert.equal(proofOf(old, issue(rotated).cookie), null);
});

test('another start of limpet with the same secret adopts the cookie: tags do not depend on slots or order (behaviour 12)', () => {
  const restarted = poolOf([{ by: 'cookie' }], 'shop', ['new', 'c', 'b', 'a']);
  const issuer = buildCascade(contextOf(restarted)).issuer!;
  assert.equal(proofOf(issuer, issue(issuerOf(), b).cookie)?.backend, restarted.byId.get('b'));
});

test('a backend that is not in the pool any more is no backend (behaviour 6)', () => {
  const without = poolOf([{ by: 'cookie' }], 'shop', ['a', 'c']);
  const issuer = buildCascade(contextOf(without)).issuer!;
  assert.deepEqual(proofOf(issuer, issue(issuerOf(), b).cookie), {
    began: NOW,
    issued: NOW,
    backend: null,
    binding: 0,
  });
});

test('an id that was removed and added again does not revive the cookies from before (behaviour 12)', () => {
  const issuer = issuerOf({}, { since: (backend) => (backend.id === 'a' ? NOW : 0) });
  assert.equal(proofOf(issuer, issue(issuer, a, NOW - 2, NOW - 1).cookie)?.backend, null);
  assert.equal(proofOf(issuer, issue(issuer, a, NOW - 2, NOW).cookie)?.backend?.id, 'a');
  assert.equal(proofOf(issuer, issue(issuer, b, NOW - 2, NOW - 1).cookie)?.backend?.id, 'b');
});

test('impossible dates are refused, a small difference of clocks is not (behaviour 9)', () => {
  const issuer = issuerOf();
  const value = (began: number, issued: number) => codec.encode('A'.repeat(24), a, began, issued);
  assert.notEqual(proofOf(issuer, value(NOW + 60_000, NOW + 60_000)), null);
  assert.equal(proofOf(issuer, value(NOW, NOW + 60_001)), null);
  assert.equal(proofOf(issuer, value(NOW + 1, NOW)), null);
  assert.equal(proofOf(issuer, value(NOW - 5000, 2 ** 48 - 1)), null);
  assert.notEqual(proofOf(issuer, value(0, 0)), null);
});

test('a clock that was set back does not make a cookie that is refused', () => {
  const issuer = issuerOf();
  assert.equal(proofOf(issuer, issue(issuer, a, NOW, NOW - 30_000).cookie)?.issued, NOW);
});

test('backends cannot be told apart from the outside: cookies of one backend have no bytes in common (behaviour 11)', () => {
  const issuer = issuerOf();
  const tags = Array.from({ length: 200 }, () =>
    Buffer.from(issue(issuer, a).cookie, 'base64url').toString('hex', 30, 38),
  );
  assert.equal(new Set(tags).size, 200);
  const found = issue(issuer, a);
  const before = Buffer.from(found.cookie, 'base64url');
  issuer.setCookie(found, a, NOW, NOW + 1, false);
  assert.notEqual(Buffer.from(found.cookie, 'base64url').toString('hex', 30, 38), before.toString('hex', 30, 38));
});

test('malformed cookies are invalid and do not hide a good one, over pairs and lines (behaviours 5, 6)', () => {
  const issuer = issuerOf();
  const [one, two] = [issue(issuer).cookie, issue(issuer).cookie];
  const head = requestOf([
    `Cookie: limpet=short; a=b; limpet=${one.slice(1)}!; xlimpet=${one}; limpet=${one}`,
    'X-Between: 1',
    `Cookie: limpet=${two}x; limpet="${one.slice(2)}";limpet=${two} `,
  ]);
  const found = new FoundKey();
  const results: (number | string)[] = [];
  for (let nth = 0; ; nth++) {
    const result = issuer.find(head, '', nth, found);
    if (result === Find.none) break;
    results.push(result === Find.found ? found.cookie : result);
  }
  assert.deepEqual(results, [Find.invalid, Find.invalid, one, Find.invalid, Find.invalid, two]);
});

test('a cookie that is known does not let a longer or shorter one pass for it', () => {
  const issuer = issuerOf();
  const found = issue(issuer);
  const value = found.cookie;
  assert.equal(issuer.find(requestOf([`Cookie: limpet=${value}x`]), '', 0, found), Find.invalid);
  assert.equal(issuer.find(requestOf([`Cookie: limpet=${value.slice(0, 71)}`]), '', 0, found), Find.invalid);
  issuer.create(found);
  assert.equal(issuer.find(requestOf([`Cookie: limpet=${found.cookie}`]), '', 0, found), Find.invalid);
});

test('a cookie that is not signed as it stands is no key, with whatever id; one that was read before neither helps nor hurts it (behaviours 5, 11)', () => {
  const issuer = issuerOf();
  const [one, two] = [issue(issuer, a).cookie, issue(issuer, b).cookie];
  const found = new FoundKey();
  const find = (value: string): number => issuer.find(requestOf([`Cookie: limpet=${value}`]), '', 0, found);
  for (let n = 0; n < 3; n++) {
    assert.equal(find(one), Find.found);
    for (const wrong of [one.slice(0, 24) + two.slice(24), `${one.slice(0, 75)}${one.endsWith('A') ? 'B' : 'A'}`]) {
      assert.equal(find(wrong), Find.invalid);
      assert.equal(found.strategy, null, 'no memo of it');
    }
    assert.equal(find(two), Find.found);
  }
});

test('each of many sessions is found by its own cookie, as often as it comes, and by none with one character changed', () => {
  const issuer = issuerOf();
  const random = new SeededRandom(11);
  const sessions = Array.from({ length: 10_500 }, (_, n) => {
    const { cookie: text, key } = issue(issuer, n % 2 === 0 ? a : b, NOW - 1_000, NOW - random.below(1_000));
    return { text, key, issued: codec.decode(text)!.issued };
  });
  const head = new Head();
  const found = new FoundKey();
  const find = (value: string): number => {
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nCookie: limpet=${value}\r\n\r\n`, 'latin1');
    assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
    return issuer.find(head, '', 0, found);
  };
  for (let round = 0; round < 2; round++) {
    for (const [n, { text, key, issued }] of shuffled(sessions, random).entries()) {
      const at = n % text.length;
      const other = ALPHABET[(ALPHABET.indexOf(text[at]!) + 1 + random.below(63)) % 64]!;
      // The second time it is known.
      for (let time = 0; time < 2; time++) {
        assert.equal(find(text), Find.found);
        assert.ok(found.key.equals(key));
        assert.deepEqual([found.cookie, found.issued, found.strategy === issuer], [text, issued, true]);
        assert.equal(find(text.slice(0, at) + other + text.slice(at + 1)), Find.invalid);
        assert.deepEqual([found.cookie, found.strategy], ['', null]);
      }
    }
  }
});

test('a cookie is verified once, and known from then on', (t) => {
  const issuer = issuerOf();
  const requests = Array.from({ length: 500 }, () => requestOf([`Cookie: limpet=${issue(issuer).cookie}`]));
  const { mock } = t.mock.method(CookieCodec.prototype, 'isSigned');
  const found = new FoundKey();
  for (let round = 0; round < 3; round++) {
    for (const request of requests) assert.equal(issuer.find(request, '', 0, found), Find.found);
    assert.equal(mock.callCount(), requests.length);
  }
});

test('a secret that was dropped while limpet runs still names sessions, and proves nothing (behaviours 11, 25)', () => {
  const old = issuerOf({}, { secrets: [secretOf(1)] });
  const after = issuerOf({}, { secrets: [secretOf(2)], keySecret: secretOf(1) });
  const { cookie: text, key } = issue(old);
  const found = new FoundKey();
  assert.equal(after.find(requestOf([`Cookie: limpet=${text}`]), '', 0, found), Find.found);
  assert.ok(found.key.equals(key));
  assert.equal(after.verify(found, NOW, { began: 0, issued: 0, backend: null, binding: 0 }), false);
});

test('what another strategy wrote is neither verified nor set as a cookie', () => {
  const issuer = issuerOf();
  const found = issue(issuerOf());
  assert.equal(issuer.verify(found, NOW, { began: 0, issued: 0, backend: null, binding: 0 }), false);
  assert.throws(() => issuer.setCookie(found, a, NOW, NOW, false), /was not made by the cookie limpet/);
});

test('a session that was made and has no cookie yet does not verify', () => {
  const issuer = issuerOf();
  const found = new FoundKey();
  issuer.create(found);
  assert.equal(issuer.verify(found, NOW, { began: 0, issued: 0, backend: null, binding: 0 }), false);
});

test('the line has the attributes of the configuration', () => {
  const lineOf = (config: object, secure = false) => {
    const issuer = issuerOf(config);
    const found = new FoundKey();
    issuer.create(found);
    const line = issuer.setCookie(found, a, NOW, NOW, secure);
    return line.replace(found.cookie, 'VALUE');
  };
  assert.equal(lineOf({}), 'Set-Cookie: limpet=VALUE; Path=/; HttpOnly; SameSite=Lax\r\n');
  assert.equal(lineOf({}, true), 'Set-Cookie: limpet=VALUE; Path=/; Secure; HttpOnly; SameSite=Lax\r\n');
  assert.equal(
    lineOf({
      name: 'id',
      path: '/shop',
      domain: 'shop.example',
      sameSite: 'strict',
      secure: true,
      httpOnly: false,
      maxAge: '90m',
    }),
    'Set-Cookie: id=VALUE; Path=/shop; Domain=shop.example; Max-Age=5400; Secure; SameSite=Strict\r\n',
  );
  assert.equal(
    lineOf({ sameSite: 'none', secure: true, partitioned: true }),
    'Set-Cookie: limpet=VALUE; Path=/; Secure; HttpOnly; SameSite=None; Partitioned\r\n',
  );
  assert.equal(lineOf({ secure: false }, true), 'Set-Cookie: limpet=VALUE; Path=/; HttpOnly; SameSite=Lax\r\n');
});

test('the line that makes a browser forget the cookie has the same scope', () => {
  assert.equal(
    issuerOf({ path: '/shop', domain: 'shop.example', maxAge: '1h' }).clearCookie(true),
    'Set-Cookie: limpet=; Path=/shop; Domain=shop.example; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax\r\n',
  );
});
