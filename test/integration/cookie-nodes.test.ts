import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type BackendProcess, startBackends } from '../support/backends.ts';
import { type Pair, startPair } from '../support/redis-pair.ts';

/** Where a cookie says when it was made: eight characters of base64url (src/affinity/cookie-codec.ts). */
const ISSUED = 32;

describe('two nodes that share a secret and nothing else', () => {
  let backends: BackendProcess[];
  let pair: Pair;
  before(async () => {
    backends = await startBackends('a', 'b', 'c');
    pair = await startPair(backends, '');
  });
  after(async () => {
    await pair?.stop();
    await Promise.all((backends ?? []).map((backend) => backend.kill()));
  });

  test('33: a session that one node has moved is where its new cookie says, though the other node has a row of it', async () => {
    const first = await pair.ask(0, '/', {});
    let { cookie } = first;
    // Both nodes know it.
    assert.equal((await pair.ask(1, '/', { cookie })).backend, first.backend);
    const to = ['a', 'b', 'c'].find((id) => id !== first.backend)!;
    const admin = new Admin(pair.nodes[0].admin);
    const [only] = await admin.sessions('cookie');
    await admin.moveSession(only!.key, to);
    const moved = await pair.ask(0, '/', { cookie });
    assert.equal(moved.backend, to);
    assert.notEqual(moved.cookie, '', 'the cookie names the new backend');
    cookie = moved.cookie;
    for (let nth = 0; nth < 6; nth++) {
      const answer = await pair.ask(1, '/', { cookie });
      assert.deepEqual([answer.backend, answer.cookie], [to, ''], 'it has its date already');
    }
    // The older cookie, as another tab may still send it, is the same session and moves nothing back.
    assert.equal((await pair.ask(1, '/', { cookie: first.cookie })).backend, to);
  });

  test('11: a date that somebody made up moves nothing', async () => {
    const first = await pair.ask(0, '/', {});
    const value = first.cookie.split('=')[1]!;
    for (const date of ['zzzzzzzz', 'AZzzzzzz', '________']) {
      const forged = `limpet=${value.slice(0, ISSUED)}${date}${value.slice(ISSUED + date.length)}`;
      const answer = await pair.ask(0, '/', { cookie: forged });
      assert.match(answer.cookie, /^limpet=[\w-]{76}$/, 'a session of its own');
      assert.notEqual(answer.cookie.slice(0, 31), first.cookie.slice(0, 31));
      const own = await pair.ask(0, '/', { cookie: first.cookie });
      assert.deepEqual([own.backend, own.cookie], [first.backend, '']);
    }
  });
});
