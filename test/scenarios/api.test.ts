import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { Admin } from '../support/admin.ts';
import type { AppProcess } from '../support/app-process.ts';
import { type Answered, ask } from '../support/ask.ts';
import { EventReader } from '../support/event-reader.ts';
import { eventually } from '../support/eventually.ts';
import type { LimpetProcess } from '../support/limpet.ts';
import { IdentityServer, type TokenOptions } from './api/identity-server.ts';
import { startExampleFile, startServers } from './start-scenario.ts';

const BURST = 40;
/** Requests with one token. */
const RENEWED_AFTER = 3;

describe('API: access tokens, one server a user, a limit, and a user who is thrown out, with three servers and 2 workers', () => {
  let apps: AppProcess[];
  let identity: IdentityServer;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    [apps, identity] = await Promise.all([startServers('api'), new IdentityServer().start()]);
    limpet = await startExampleFile('api', apps, { JWKS: identity.jwksUrl, RATE: '1/m' });
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    await identity?.stop();
    await Promise.all((apps ?? []).map((app) => app.kill()));
  });

  const token = async (user: string, options?: TokenOptions): Promise<string> => {
    const given = await identity.renew(user, options);
    assert.ok(given !== null, `${user} gets no token`);
    return given;
  };
  const call = (method: string, path: string, bearer: string | null): Promise<Answered> =>
    ask(limpet.url + path, { method, headers: bearer === null ? {} : { authorization: `Bearer ${bearer}` } });
  const sessionsOf = async (
    user: string,
  ): Promise<{ key: string; backend: string; user: string; requests: number }[]> => {
    const answer = await ask(`${limpet.admin}/api/v1/sessions?user=${user}`);
    return (JSON.parse(answer.body) as { sessions: { key: string; backend: string; user: string; requests: number }[] })
      .sessions;
  };

  test('tokens are renewed every few requests, also under another key, and the work goes on where it is (19)', async () => {
    const users = Array.from({ length: 6 }, (_, n) => `user-${n}`);
    const homes = await Promise.all(
      users.map(async (user) => {
        const backends = new Set<string>();
        let bearer = '';
        for (let n = 0; n < 5 * RENEWED_AFTER; n++) {
          if (n === 3 * RENEWED_AFTER) identity.changeKey();
          if (n % RENEWED_AFTER === 0) bearer = await token(user);
          const answer = await call('POST', '/work', bearer);
          assert.deepEqual([answer.status, answer.body], [200, JSON.stringify({ user, done: n + 1 })]);
          assert.equal(answer.headers['set-cookie'], undefined);
          backends.add(answer.backend);
        }
        assert.equal(backends.size, 1, user);
        const sessions = await sessionsOf(user);
        assert.deepEqual(
          sessions.map((one) => [one.user, one.backend, one.requests]),
          [[user, [...backends][0], 5 * RENEWED_AFTER]],
        );
        return [...backends][0];
      }),
    );
    assert.ok(new Set(homes).size > 1, 'users are spread');
  });

  test('a token that does not verify is refused before any server hears of it; none at all is for the API to refuse (5, 11)', async () => {
    const good = await token('anna');
    const [head, payload, signature] = good.split('.') as [string, string, string];
    const encode = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const bad = {
      'another user': `${head}.${encode({ ...claims, sub: 'user-0' })}.${signature}`,
      'another signature': `${head}.${payload}.${randomBytes(64).toString('base64url')}`,
      'no signature': `${encode({ alg: 'none' })}.${payload}.`,
      'a shared secret': `${encode({ alg: 'HS256', kid: 'this-month' })}.${payload}.${randomBytes(32).toString('base64url')}`,
      'run out': await token('anna', { seconds: -60 }),
      'for somebody else': await token('anna', { audience: 'mail' }),
      'by somebody else': await token('anna', { issuer: 'https://evil.example' }),
      'no token': 'hello',
    };
    const errors = await admin.metric('limpet_errors_total', { code: 'UNAUTHORIZED' });
    for (const [what, bearer] of Object.entries(bad)) {
      const answer = await call('GET', '/work', bearer);
      assert.deepEqual([answer.status, answer.code, answer.backend], [401, 'UNAUTHORIZED', ''], what);
      assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer error="invalid_token"/);
    }
    const refused = Object.keys(bad).length;
    await eventually(
      'all to be counted',
      async () => (await admin.metric('limpet_errors_total', { code: 'UNAUTHORIZED' })) === errors + refused,
    );
    assert.deepEqual(await sessionsOf('anna'), []);
    const none = await call('GET', '/work', null);
    assert.deepEqual([none.status, none.code, none.body], [401, '', '{"error":"no token"}']);
    assert.notEqual(none.backend, '');
    assert.equal((await call('GET', '/work', good)).status, 200);
    assert.ok(!JSON.stringify(limpet.log).includes(signature) && !limpet.stderr().includes(signature));
  });

  test('one user over the limit waits, over both workers; the others do not (429)', async () => {
    const [greedy, modest] = await Promise.all([token('greta'), token('mona')]);
    const began = Date.now();
    const asked = Array.from({ length: 2 * BURST }, () => call('GET', '/work', greedy));
    const other = call('GET', '/work', modest);
    const answers = await Promise.all(asked);
    const served = answers.filter(({ status }) => status === 200).length;
    const more = Math.ceil((Date.now() - began) / 60_000);
    assert.ok(served >= BURST && served <= BURST + more, `${served} served`);
    for (const { status, code, headers } of answers.filter((one) => one.status !== 200)) {
      assert.deepEqual([status, code], [429, 'RATE_LIMITED']);
      assert.match(headers['retry-after'] ?? '', /^[1-9]\d*$/);
    }
    assert.equal((await other).status, 200);
    assert.equal((await call('GET', '/work', modest)).status, 200);
    // A renewed token is the same user.
    assert.equal((await call('GET', '/work', await token('greta'))).status, 429);
  });

  test('a user who is revoked: sessions ended one by one, WebSocket and event stream closed, no way back', async () => {
    const bearer = await token('carl');
    const headers = { authorization: `Bearer ${bearer}` };
    await call('POST', '/work', bearer);
    const sockets = await Promise.all(Array.from({ length: 4 }, () => live(headers)));
    const stream = await EventReader.open(`${limpet.url}/events`, headers);
    await stream.heard(({ event }) => event === 'work');
    const friend = { authorization: `Bearer ${await token('dora')}` };
    const [others] = await Promise.all([live(friend), call('POST', '/work', await token('dora'))]);
    const [session, ...more] = await sessionsOf('carl');
    assert.deepEqual(more, []);
    for (const { socket, said } of sockets) {
      socket.send('?');
      await eventually('an answer', () => said.length > 0);
      assert.deepEqual(said, [`${session!.backend} 1`]);
    }

    // The last token that he gets is good for a little longer.
    const last = await token('carl', { seconds: 3 });
    identity.revoke('carl');
    for (const { key } of await sessionsOf('carl')) await admin.endSession(key);
    await eventually('all to be closed', () => sockets.every(({ code }) => code() > 0), 30_000);
    assert.deepEqual(new Set(sockets.map(({ code }) => code())), new Set([1008]));
    await eventually('the stream to be cut', () => stream.ended, 30_000);
    assert.equal(stream.ended, 'cut');
    const out = await eventually(
      'his token to run out',
      async () => {
        const answer = await call('GET', '/work', last);
        return answer.status === 401 && answer;
      },
      30_000,
    );
    assert.deepEqual([out.status, out.code], [401, 'UNAUTHORIZED']);
    assert.equal(await identity.renew('carl'), null);

    // Nobody else has noticed.
    assert.equal(others.code(), 0);
    others.socket.send('?');
    await eventually('an answer', () => others.said.length > 0);
    others.socket.close();
    assert.equal((await call('GET', '/work', await token('dora'))).status, 200);
    assert.equal(await admin.metric('limpet_errors_total', { code: 'INTERNAL' }), 0);
  });

  async function live(headers: Record<string, string>) {
    const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}/live`, { headers });
    const said: string[] = [];
    let closed = 0;
    socket.on('message', (data) => said.push(String(data)));
    socket.on('close', (code) => {
      closed = code;
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.on('open', resolve);
    socket.on('error', reject);
    await promise;
    return { socket, said, code: () => closed };
  }
});
