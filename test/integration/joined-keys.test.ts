import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { SessionBackend } from '../support/session-backend.ts';

/** Public id that the backend was told. */
function sessionOf(answer: Answered): string | undefined {
  assert.equal(answer.status, 200, `${answer.code} ${answer.body}`);
  return (JSON.parse(answer.body) as { headers: Record<string, string> }).headers['limpet-session'];
}

describe('behaviour 115: several keys of one session', () => {
  const backends = ['a', 'b', 'c'].map((id) => new SessionBackend(id));
  let limpet: LimpetProcess;
  let admin: Admin;
  let serial = 0;

  before(async () => {
    for (const backend of backends) await backend.start();
    const list = backends
      .map(({ id, url }, i) => `{ id: ${id}, url: "${url}", replicas: [${backends[(i + 1) % 3]!.id}] }`)
      .join(', ');
    const cookie = (name: string): string => `{ by: cookie, name: ${name} }`;
    const pools: Record<string, string> = {
      readme: `affinity: [{ by: query, name: sid }, ${cookie('readme')}]`,
      three: `affinity: [{ by: header, name: x-one }, { by: header, name: x-two }, { by: ip }, ${cookie('three')}]`,
      bound: `affinity: [{ by: query, name: sid }, ${cookie('bound')}], session: { bindTo: [user-agent], onBindingMismatch: reject }`,
      rotates: `affinity: [{ by: query, name: sid }, ${cookie('rotates')}]`,
      limited: `affinity: [{ by: query, name: sid }, ${cookie('limited')}], rateLimit: { per: session, rate: 1/h, burst: 2 }`,
      learns: `affinity: [{ by: header, name: mcp-session-id, learn: true }, { by: app-cookie, name: J }]`,
      late: `affinity: [{ by: query, name: sid }, ${cookie('late')}], session: { lifetime: 5s }`,
    };
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'routes:',
        ...Object.keys(pools).map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        ...Object.entries(pools).map(
          ([name, more]) => `  ${name}: { backends: [${list}], balance: round-robin, ${more} }`,
        ),
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    for (const backend of backends) await backend.stop();
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Answered> =>
    ask(`${limpet.url}/${path}`, { headers });
  const newKey = (): string => `key-${process.pid}-${serial++}`;

  test('M2: an unknown key joins the known session that it comes with, and names it alone from then on', async () => {
    for (let client = 0; client < 6; client++) {
      const first = await get('readme');
      const { cookie, backend } = first;
      const id = sessionOf(first);
      const sid = newKey();
      for (let n = 0; n < 3; n++) {
        const both = await get(`readme?sid=${sid}`, { cookie });
        assert.deepEqual([both.backend, sessionOf(both)], [backend, id]);
        const alone = await get(`readme?sid=${sid}`);
        assert.deepEqual([alone.backend, sessionOf(alone)], [backend, id]);
      }
    }
    // One session for each client, whatever it is called.
    const sessions = await admin.sessions('readme');
    assert.equal(sessions.length, 6);
    for (const { requests } of sessions) assert.equal(requests, 7);
  });

  test('115: the first source whose key is known decides', async () => {
    const one = newKey();
    const two = newKey();
    const first = await get('three', { 'x-one': one });
    let second = await get('three', { 'x-two': two });
    for (let n = 0; second.backend === first.backend && n < 20; n++) second = await get('three', { 'x-two': newKey() });
    const known = await get('three', { 'x-one': one, 'x-two': two });
    assert.deepEqual([known.backend, sessionOf(known)], [first.backend, sessionOf(first)]);
    // The later one is known and the earlier one is not.
    const third = await get('three', { 'x-one': newKey(), 'x-two': two });
    assert.equal(sessionOf(third), sessionOf(await get('three', { 'x-two': two })));
  });

  test('115: when none is known the first begins a session, and the others are its names', async () => {
    const keys = { 'x-one': newKey(), 'x-two': newKey() };
    const first = await get('three', keys);
    const second = await get('three', { 'x-two': keys['x-two'] });
    assert.deepEqual([second.backend, sessionOf(second)], [first.backend, sessionOf(first)]);
  });

  test('115: an address is never joined', async () => {
    const ofAddress = await get('three');
    const one = await get('three', { 'x-one': newKey() });
    assert.equal(sessionOf(one), sessionOf(ofAddress), 'the key joins the session of the address, which is known');
    const again = await get('three');
    assert.equal(sessionOf(again), sessionOf(ofAddress));
    const sessions = await admin.sessions('three');
    assert.equal(sessions.filter(({ key }) => key === sessionOf(ofAddress)).length, 1);
  });

  test('115: a joined key ends with its session, whoever ends it and by whichever name', async () => {
    for (const byAlone of [false, true]) {
      const first = await get('readme');
      const sid = newKey();
      await get(`readme?sid=${sid}`, { cookie: first.cookie });
      if (byAlone) {
        const ended = await get(`readme?sid=${sid}&session=end`);
        assert.match(String(ended.headers['set-cookie']), /readme=;.*Max-Age=0/);
      } else await admin.endSession(sessionOf(first)!);
      const alone = await get(`readme?sid=${sid}`);
      assert.notEqual(sessionOf(alone), sessionOf(first));
      // The cookie stays refused, however the session was named when it ended (behaviour 24).
      const cookie = await get('readme', { cookie: first.cookie });
      assert.notEqual(sessionOf(cookie), sessionOf(first));
      assert.notEqual(cookie.cookie, '');
    }
  });

  test('115: a joined key moves with its session', async () => {
    const first = await get('readme');
    const sid = newKey();
    await get(`readme?sid=${sid}`, { cookie: first.cookie });
    const to = backends.find(({ id }) => id !== first.backend)!.id;
    await admin.moveSession(sessionOf(first)!, to);
    const alone = await get(`readme?sid=${sid}`);
    assert.deepEqual([alone.backend, sessionOf(alone)], [to, sessionOf(first)]);
  });

  test('115: a joined key keeps the limits of its session', async () => {
    const began = Date.now();
    const first = await get('late');
    const sid = newKey();
    await get(`late?sid=${sid}`, { cookie: first.cookie });
    let alone = await get(`late?sid=${sid}`);
    while (sessionOf(alone) === sessionOf(first)) {
      assert.ok(Date.now() - began < 60_000);
      alone = await get(`late?sid=${sid}`);
    }
    assert.ok(Date.now() - began >= 4_900, 'not before the lifetime of the session');
  });

  test('115: a joined key is bound to what its session is bound to, and every known key is checked', async () => {
    const mine = { 'user-agent': 'mine' };
    const first = await get('bound', mine);
    const sid = newKey();
    await get(`bound?sid=${sid}`, { ...mine, cookie: first.cookie });
    const stolen = await get(`bound?sid=${sid}`, { 'user-agent': 'theirs' });
    assert.deepEqual([stolen.status, stolen.code], [403, 'BINDING_MISMATCH']);
    // A key of one's own in front does not hide a stolen one.
    const own = newKey();
    const theirs = await get(`bound?sid=${own}`, { 'user-agent': 'theirs' });
    assert.equal(theirs.status, 200);
    const beside = await get(`bound?sid=${own}`, { 'user-agent': 'theirs', cookie: first.cookie });
    assert.deepEqual([beside.status, beside.code], [403, 'BINDING_MISMATCH']);
    const unknown = await get(`bound?sid=${newKey()}`, { 'user-agent': 'theirs', cookie: first.cookie });
    assert.deepEqual([unknown.status, unknown.code], [403, 'BINDING_MISMATCH']);
  });

  test('115: an id that was joined before a rotation does not come to the new session by itself, only with its new cookie', async () => {
    const first = await get('rotates');
    const planted = newKey();
    await get(`rotates?sid=${planted}`, { cookie: first.cookie });
    const login = await get(`rotates?sid=${planted}&session=rotate`, { cookie: first.cookie });
    assert.notEqual(login.cookie, '');
    const after = sessionOf(await get('rotates', { cookie: login.cookie }));
    assert.notEqual(after, sessionOf(first));
    const attacker = await get(`rotates?sid=${planted}`);
    assert.ok(![after, sessionOf(first)].includes(sessionOf(attacker)));
    const sid = newKey();
    assert.equal(sessionOf(await get(`rotates?sid=${sid}`, { cookie: login.cookie })), after);
    assert.equal(sessionOf(await get(`rotates?sid=${sid}`)), after);
  });

  test('115: explain says which key decides, which ones join, and which session a name is of', async () => {
    const first = await get('readme');
    const url = `${limpet.url}/readme?sid=${newKey()}`;
    const explain = async (
      headers: Record<string, string>,
    ): Promise<{ session: string; steps: { detail: string; outcome: string }[] }> => {
      const answer = await fetch(`${limpet.admin}/api/v1/explain`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url, headers }),
      });
      return (await answer.json()) as { session: string; steps: { detail: string; outcome: string }[] };
    };
    const before = await explain({ cookie: first.cookie });
    assert.equal(before.session, sessionOf(first));
    assert.ok(
      before.steps.some(({ outcome }) => outcome === 'joins'),
      JSON.stringify(before.steps),
    );
    // It has changed nothing.
    assert.notEqual((await explain({})).session, sessionOf(first));
    await ask(url, { headers: { cookie: first.cookie } });
    const alone = await explain({});
    assert.equal(alone.session, sessionOf(first));
    assert.ok(alone.steps.some(({ detail }) => detail.includes(`another name of the session ${sessionOf(first)}`)));
  });

  test('115: the names of a session share its rate limit', async () => {
    const first = await get('limited');
    const sid = newKey();
    await get(`limited?sid=${sid}`, { cookie: first.cookie });
    const answers = [await get(`limited?sid=${sid}`), await get('limited', { cookie: first.cookie })];
    for (let n = 0; n < 2; n++) answers.push(await get(`limited?sid=${sid}`));
    assert.ok(answers.some(({ status }) => status === 429));
    assert.equal((await get('limited', { cookie: first.cookie })).status, 429);
  });

  test('K6: an id that the server refuses makes no session, from whichever source that learns', async () => {
    for (const status of [404, 410]) {
      for (const headers of [{ 'mcp-session-id': newKey() }, { cookie: `J=${newKey()}` }]) {
        const refused = await get(`learns?status=${status}`, headers);
        assert.equal(refused.status, status);
      }
    }
    assert.deepEqual(await admin.sessions('learns'), []);
    // Beside a session that is known it becomes no name of it either.
    const id = newKey();
    const known = await get('learns', { 'mcp-session-id': id });
    const stale = `J=${newKey()}`;
    await get('learns?status=404', { 'mcp-session-id': id, cookie: stale });
    const alone = await get('learns', { cookie: stale });
    assert.notEqual(sessionOf(alone), sessionOf(known));
  });
});
