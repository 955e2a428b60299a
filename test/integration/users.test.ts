import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const SECRET = 'a-secret-of-the-issuer-that-is-long-enough';
/** The address of a trusted proxy, and one that is not. */
const PROXY = '127.0.0.2';
const MODES = ['end', 'refuse'] as const;
const SOURCES = ['told', 'header', 'token'] as const;
type Source = (typeof SOURCES)[number];

const encode = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');

function token(user: string, session: string): string {
  const text = `${encode({ alg: 'HS256' })}.${encode({ sub: user, sid: session })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

/** Of two sessions that were seen in the same millisecond either is the one that was seen least recently. */
async function nextMillisecond(): Promise<void> {
  const now = Date.now();
  while (Date.now() === now) await turn();
}

/** A client that logs in, and what it brings to its next requests. */
class Client {
  cookie = '';
  readonly #source: Source;
  readonly #user: string;
  readonly #token: string;
  readonly #base: string;

  constructor(base: string, source: Source, user: string, name: string) {
    this.#base = base;
    this.#source = source;
    this.#user = user;
    this.#token = token(user, name);
  }

  /** @param tells the backend says in its response whose session it is */
  async ask(tells = false): Promise<Answered> {
    const headers: Record<string, string> = {};
    if (this.cookie !== '') headers.cookie = this.cookie;
    if (this.#source === 'header') headers['x-user'] = this.#user;
    if (this.#source === 'token') headers.authorization = `Bearer ${this.#token}`;
    if (this.#source === 'told' && tells) headers['x-tell'] = this.#user;
    const answer = await ask(this.#base, { headers, localAddress: PROXY });
    if (answer.cookie !== '') this.cookie = answer.cookie;
    return answer;
  }
}

describe('users of sessions, two workers', () => {
  let backend: HttpBackend;
  let limpet: LimpetProcess;
  const audit = join(tmpdir(), `limpet-users-${process.pid}.log`);

  before(async () => {
    backend = await new HttpBackend('a', (request, response) => {
      const tells = request.headers['x-tell'];
      if (typeof tells === 'string') response.setHeader('Limpet-User', tells);
      request.resume();
      response.end(JSON.stringify({ headers: request.headers }));
    }).start();
    const pools = SOURCES.flatMap((source) =>
      MODES.map((mode) => {
        const affinity =
          source === 'token'
            ? `{ by: token, from: authorization, claim: sid, verify: { secret: ${SECRET}, algorithms: [HS256] } }`
            : `{ by: cookie, name: ${source}-${mode} }`;
        const header = source === 'header' ? ', header: X-User' : '';
        const perUser = `{ max: 2, whenFull: ${mode === 'end' ? 'end-oldest' : mode}${header} }`;
        return `  ${source}-${mode}: { backends: [{ id: a, url: "${backend.url}" }], affinity: [${affinity}], session: { perUser: ${perUser} } }`;
      }),
    );
    const routes = SOURCES.flatMap((source) =>
      MODES.map((mode) => `  - { match: { path: /${source}-${mode} }, pool: ${source}-${mode} }`),
    );
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        `trustedProxies: [${PROXY}/32]`,
        `log: { audit: ${audit} }`,
        'routes:',
        ...routes,
        '  - { match: { path: /uncounted }, pool: uncounted }',
        '  - { pool: plain }',
        'pools:',
        ...pools,
        `  uncounted: { backends: [{ id: a, url: "${backend.url}" }], affinity: [{ by: token, from: authorization, claim: sub, verify: { secret: ${SECRET}, algorithms: [HS256] } }] }`,
        `  plain: { backends: [{ id: a, url: "${backend.url}" }] }`,
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    await backend?.stop();
    await rm(audit, { force: true });
  });

  const sessions = async (query: string): Promise<{ user: string | null; pool: string; key: string }[]> => {
    const answer = await ask(`${limpet.admin}/api/v1/sessions?limit=1000&${query}`);
    assert.equal(answer.status, 200, answer.body);
    return (JSON.parse(answer.body) as { sessions: { user: string | null; pool: string; key: string }[] }).sessions;
  };
  const keyOf = async (answer: Answered): Promise<string> =>
    (JSON.parse(answer.body) as { headers: Record<string, string> }).headers['limpet-session']!;

  for (const source of SOURCES) {
    test(`end-oldest, ${source}: the third log-in ends the session that was seen least recently`, async () => {
      const base = `${limpet.url}/${source}-end/`;
      const [one, two, three] = ['one', 'two', 'three'].map((name) => new Client(base, source, `anna-${source}`, name));
      const first = await keyOf(await one!.ask(true));
      const second = await keyOf(await two!.ask(true));
      await nextMillisecond();
      assert.equal(await keyOf(await one!.ask()), first);
      const third = await keyOf(await three!.ask(true));
      assert.equal(await keyOf(await three!.ask()), third);
      assert.equal(await keyOf(await one!.ask()), first);
      const left = (await sessions(`pool=${source}-end&user=anna-${source}`)).map(({ key }) => key);
      assert.deepEqual(left.sort(), [first, third].sort());
      // The one that was ended begins anew; with a cookie it is another session.
      const again = await two!.ask();
      assert.equal(again.status, 200);
      if (source !== 'token') assert.notEqual(await keyOf(again), second);
    });

    test(`refuse, ${source}: the third log-in gets 429 until a session has ended`, async () => {
      const base = `${limpet.url}/${source}-refuse/`;
      const [one, two, three] = ['one', 'two', 'three'].map(
        (name) => new Client(base, source, `bert-${source}`, `${name}-r`),
      );
      const first = await keyOf(await one!.ask(true));
      await two!.ask(true);
      const before = backend.seen.length;
      const refused = await three!.ask(true);
      assert.deepEqual([refused.status, refused.code], [429, 'TOO_MANY_SESSIONS']);
      assert.match(refused.headers['retry-after'] ?? '', /^[1-9]\d*$/);
      assert.equal(refused.cookie, '');
      // Only what the backend itself has to say comes after its answer.
      assert.equal(backend.seen.length - before, source === 'told' ? 1 : 0);
      assert.equal((await one!.ask(true)).status, 200);
      assert.equal((await sessions(`pool=${source}-refuse&user=bert-${source}`)).length, 2);
      const gone = await ask(`${limpet.admin}/api/v1/sessions/${first}`, { method: 'DELETE' });
      assert.equal(gone.status, 204);
      assert.equal((await three!.ask(true)).status, 200);
    });

    for (const mode of MODES) {
      test(`50 log-ins of one user at the same moment leave two sessions: ${source}, ${mode}`, async () => {
        const user = `crowd-${source}-${mode}`;
        const base = `${limpet.url}/${source}-${mode}/`;
        const clients = Array.from({ length: 50 }, (_, n) => new Client(base, source, user, `${mode}-${n}`));
        const answers = await Promise.all(clients.map((client) => client.ask(true)));
        const served = answers.filter(({ status }) => status === 200).length;
        assert.equal(served, mode === 'refuse' ? 2 : 50);
        assert.equal((await sessions(`pool=${source}-${mode}&user=${user}`)).length, 2);
      });
    }
  }

  test('a token says whose session it is also where nobody counts them', async () => {
    const client = new Client(`${limpet.url}/uncounted/`, 'token', 'erna', 'one');
    const key = await keyOf(await client.ask());
    await client.ask();
    // Names reach the API a moment after the session.
    await eventually('its name', async () =>
      (await sessions('pool=uncounted')).some((session) => session.key === key && session.user === 'erna'),
    );
  });

  test('another user takes a session over, and the former one has room again', async () => {
    const base = `${limpet.url}/told-refuse/`;
    const clients = [0, 1, 2].map((n) => new Client(base, 'told', 'carl', `${n}`));
    await clients[0]!.ask(true);
    await clients[1]!.ask(true);
    assert.equal((await clients[2]!.ask(true)).status, 429);
    const other = await ask(base, { headers: { cookie: clients[0]!.cookie, 'x-tell': 'dora' } });
    assert.equal(other.status, 200);
    assert.equal((await clients[2]!.ask(true)).status, 200);
    assert.deepEqual(
      (await sessions('pool=told-refuse&user=dora')).map(({ user }) => user),
      ['dora'],
    );
  });

  test('a header of somebody who is not trusted names nobody, and no backend sees it', async () => {
    const base = `${limpet.url}/header-end/`;
    const seen = async (localAddress: string, headers: Record<string, string>): Promise<Record<string, string>> =>
      (JSON.parse((await ask(base, { headers, localAddress })).body) as { headers: Record<string, string> }).headers;
    assert.equal((await seen(PROXY, { 'x-user': 'ella' }))['x-user'], 'ella');
    const stranger = await seen('127.0.0.1', { 'X-User': 'frida', X_User: 'frida', 'x-user-name': 'kept' });
    assert.deepEqual([stranger['x-user'], stranger.x_user, stranger['x-user-name']], [undefined, undefined, 'kept']);
    assert.equal((await seen(PROXY, { 'x-user': 'ella', X_User: 'frida' })).x_user, undefined);
    assert.equal((await sessions('user=frida')).length, 0);
    assert.equal((await sessions('user=ella')).length, 2);
  });

  test('Limpet-User is recognised without a limit, and never reaches a client', async () => {
    const answer = await ask(`${limpet.url}/`, { headers: { 'x-tell': 'gina' } });
    assert.equal(answer.headers['limpet-user'], undefined);
    const [session] = await sessions('pool=plain&user=gina');
    assert.equal(session!.user, 'gina');
    const one = JSON.parse((await ask(`${limpet.admin}/api/v1/sessions/${session!.key}`)).body) as { user: string };
    assert.equal(one.user, 'gina');
    const odd = await ask(`${limpet.url}/`, { headers: { 'x-tell': 'x'.repeat(300) } });
    assert.equal(odd.status, 200);
    await limpet.logged(({ msg }) => String(msg).startsWith('Limpet-User of a response was ignored'));
  });

  test('what was ended and refused is in the audit log, with the user and without any token', async () => {
    await eventually(
      'the events',
      async () => {
        const lines = (await readFile(audit, 'utf8').catch(() => '')).trim().split('\n');
        const events = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, string>);
        return (
          events.some((e) => e.event === 'ended' && e.reason === 'per-user-limit' && e.user === 'anna-told') &&
          events.some((e) => e.event === 'refused' && e.reason === 'TOO_MANY_SESSIONS' && e.user === 'bert-header')
        );
      },
      20_000,
    );
    const text = `${await readFile(audit, 'utf8')}\n${JSON.stringify(limpet.log)}`;
    // But for public ids, which are random: any three letters may be in them.
    assert.doesNotMatch(text.replaceAll(/"(?:key|session)":"[\w-]{22}"/g, ''), /eyJ/);
    for (const name of ['one', 'two', 'three']) assert.ok(!text.includes(token('anna-token', name)));
  });
});
