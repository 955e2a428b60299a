import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type BackendProcess, startBackends } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { often } from '../support/long.ts';
import { RedisServer } from '../support/redis.ts';
import { bearer, each, type Pair, startPair } from '../support/redis-pair.ts';

const SESSIONS = often(300, 1_000);
const REQUESTS = 6;
const TRIALS = often(2_000, 10_000);
const PORTION = 500;
const AT_ONCE = 40;
const FLIP = /^the shared session store (is|does)/;

let backends: BackendProcess[];
before(async () => {
  backends = await startBackends('a', 'b', 'c');
});
after(() => Promise.all((backends ?? []).map((backend) => backend.kill())));

/**
 * Sends the requests of all sessions to the two nodes by turns that no session can foresee; answers how many sessions
 * each backend got.
 */
async function spray(pair: Pair, kind: 'token' | 'cookie'): Promise<Map<string, number>> {
  const shares = new Map<string, number>();
  await each(SESSIONS, AT_ONCE, async (session) => {
    let cookie = '';
    let home = '';
    for (let nth = 0; nth < REQUESTS; nth++) {
      const node = ((session * 7 + nth * nth * 3 + nth) >> 1) % 2;
      const headers = kind === 'token' ? bearer(`user ${session}`, nth) : cookie === '' ? {} : { cookie };
      const answer = await pair.ask(node, kind === 'token' ? '/token' : '/', headers as Record<string, string>);
      assert.equal(answer.status, 200, answer.body);
      if (answer.cookie !== '') cookie = answer.cookie;
      home ||= answer.backend;
      assert.equal(answer.backend, home, `session ${session} left its backend at request ${nth}, on node ${node}`);
    }
    shares.set(home, (shares.get(home) ?? 0) + 1);
  });
  return shares;
}

function assertSpread(shares: ReadonlyMap<string, number>): void {
  for (const id of ['a', 'b', 'c']) assert.ok((shares.get(id) ?? 0) > SESSIONS / 6, `${id} got ${shares.get(id)}`);
}

describe('two nodes of two workers that share a Redis', () => {
  let redis: RedisServer;
  let pair: Pair;
  before(async () => {
    redis = await RedisServer.start();
    pair = await startPair(backends, `store: redis, redis: { url: "${redis.url}" }`);
  });
  after(async () => {
    await pair?.stop();
    await redis?.stop();
  });

  test(`19: ${SESSIONS} token sessions sprayed over both are each on one backend`, async () => {
    assertSpread(await spray(pair, 'token'));
  });

  test(`${SESSIONS} cookie sessions sprayed over both are each on one backend`, async () => {
    assertSpread(await spray(pair, 'cookie'));
  });

  test(`18: the first two requests of a session, at the same moment at both nodes, ${TRIALS} times`, async () => {
    // A machine that stands still for half a second trips the breaker, and then nodes decide alone, as they should:
    // those trials are made once more.
    const trips = (): number =>
      pair.nodes.reduce((sum, { log }) => sum + log.filter(({ msg }) => FLIP.test(String(msg))).length, 0);
    let apart = 0;
    let again = 0;
    for (let done = 0; done < TRIALS; ) {
      let now = 0;
      const before = trips();
      await each(PORTION, AT_ONCE, async (trial) => {
        const headers = { 'x-session-id': `trial ${done + trial} ${again}` };
        const [one, two] = await Promise.all([pair.ask(0, '/id', headers), pair.ask(1, '/id', headers)]);
        assert.equal(one.status, 200);
        assert.equal(two.status, 200);
        if (one.backend !== two.backend) now++;
      });
      // The supervisor notices what a worker has tripped with its next probe.
      if (now > 0) await new Promise((resolve) => setTimeout(resolve, 2_000));
      if (now > 0 && trips() !== before && ++again < 10) continue;
      apart += now;
      done += PORTION;
    }
    assert.equal(apart, 0, `${apart} of ${TRIALS} sessions were on two backends`);
  });

  test('what an operator ends or moves at one node is ended or moved at the other', async () => {
    const [one, two] = pair.nodes.map(({ admin }) => new Admin(admin)) as [Admin, Admin];
    const first = await pair.ask(0, '/', {});
    const headers = { cookie: first.cookie };
    assert.equal((await pair.ask(1, '/', headers)).backend, first.backend);
    const key = String((JSON.parse(first.body) as { headers: Record<string, string> }).headers['limpet-session']);
    const target = ['a', 'b', 'c'].find((id) => id !== first.backend)!;
    await one.moveSession(key, target);
    // Not from the list: that comes in pages, and there may be more than one of them. A store that was down has to come
    // up again before.
    const seenByTwo = async (): Promise<boolean> => {
      const answer = await fetch(`${pair.nodes[1].admin}/api/v1/sessions/${key}`);
      return ((await answer.json()) as { backend?: string }).backend === target;
    };
    await eventually('the other node to move it', seenByTwo, 60_000);
    assert.equal((await pair.ask(1, '/', headers)).backend, target);
    assert.equal((await pair.ask(0, '/', headers)).backend, target);

    await two.endSession(key);
    await eventually(
      'the first node to end it',
      async () => {
        const answer = await pair.ask(0, '/', headers);
        return answer.cookie !== '' && answer.cookie !== first.cookie;
      },
      60_000,
    );
    for (const node of [0, 1]) {
      const body = (await pair.ask(node, '/', headers)).body;
      assert.notEqual((JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session'], key);
    }
  });
});

describe('two nodes of two workers that share nothing but their secret', () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair(backends, '');
  });
  after(() => pair?.stop());

  test(`9: ${SESSIONS} cookie sessions sprayed over both are each on one backend`, async () => {
    assertSpread(await spray(pair, 'cookie'));
  });

  test('9: a session that was in use at the other node all the while is not idle at this one', async () => {
    const sessions = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const answer = await pair.ask(0, '/short', {});
        return { cookie: answer.cookie, home: answer.backend };
      }),
    );
    const first = sessions.map(({ cookie }) => cookie);
    const started = performance.now();
    while (performance.now() - started < 6_000) {
      for (const session of sessions) {
        const answer = await pair.ask(1, '/short', { cookie: session.cookie });
        if (answer.cookie !== '') session.cookie = answer.cookie;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    for (const [n, { cookie, home }] of sessions.entries()) {
      const answer = await pair.ask(0, '/short', { cookie });
      assert.equal(answer.backend, home);
      const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> };
      assert.equal(headers['limpet-session-expired'], undefined);
      // The cookie from the beginning names the same session, which is not idle.
      assert.equal((await pair.ask(0, '/short', { cookie: first[n]! })).backend, home);
    }
  });
});
