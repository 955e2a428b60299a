import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AppProcess } from '../support/app-process.ts';
import { type Answered, ask } from '../support/ask.ts';
import { audited, readAudit } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import type { LimpetProcess } from '../support/limpet.ts';
import { copyToNext, startExampleFile, startServers } from './start-scenario.ts';
import { texts, Visitor } from './visitor.ts';

const IDLE = 5_000;
const LIFETIME = 12_000;
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0';
const PHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Mobile Safari/604.1';

/** What the proxy in front, where TLS ends, says of a client, and what the client says. */
function client(address: string, agent: string): Record<string, string> {
  return { 'x-forwarded-for': address, 'x-forwarded-proto': 'https', 'user-agent': agent };
}

const ALICE = { user: 'alice', pin: '4711' };
const AT_HOME = client('192.0.2.7', FIREFOX);
const ON_THE_WAY = client('198.51.100.9', PHONE);
const THIEF = '203.0.113.66';

/** Parts of the audit log that are told apart. */
function story(file: string, address: string): string[] {
  return readAudit(file)
    .filter(({ client, user }) => client !== address && user !== 'bob')
    .map(({ event, reason, user }) => [event, reason, user].filter((part) => part !== null).join(' '));
}

// At once: most of the time the first one waits for limits.
describe('bank: a short life, one client, one session a customer, with three servers and 2 workers', {
  concurrency: true,
}, () => {
  const files = ['first', 'second'].map((name) => join(tmpdir(), `limpet-bank-${process.pid}-${name}.jsonl`));
  let apps: AppProcess[];

  before(async () => {
    apps = await startServers('bank');
    await copyToNext(apps);
  });
  after(async () => {
    await Promise.all((apps ?? []).map((app) => app.kill()));
    for (const file of files) rmSync(file, { force: true });
  });

  const sessionsOf = async (limpet: LimpetProcess, user: string): Promise<string[]> => {
    const answer = await ask(`${limpet.admin}/api/v1/sessions?user=${user}`);
    return (JSON.parse(answer.body) as { sessions: { key: string }[] }).sessions.map(({ key }) => key);
  };

  test('two devices, a thief, a foreign page, idle and absolute limits, and the audit log has it all in order', async (t) => {
    const audit = files[0]!;
    const limpet = await startExampleFile('bank', apps, {
      AUDIT: audit,
      IDLE: `${IDLE}ms`,
      LIFETIME: `${LIFETIME}ms`,
    });
    t.after(limpet.stop);
    // Somebody else, who clicks all the while: only the absolute limit ends that.
    const bob = new Visitor(limpet.url, client('192.0.2.50', FIREFOX));
    const bobs = clickToTheEnd(bob);
    bobs.catch(() => {});

    const pc = new Visitor(limpet.url, AT_HOME);
    const stranger = await pc.open('/account');
    assert.deepEqual([stranger.status, pc.seen[0]!.headers.location], [200, '/login?after=']);
    const [line] = pc.seen[0]!.headers['set-cookie']!;
    assert.match(line!, /^__Host-limpet=[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
    assert.deepEqual(texts(await pc.send('/login', ALICE), 'h1'), ['alice']);
    // A double click: the second one waits for its turn, and finds nothing left to send.
    assert.deepEqual(texts(await pc.send('/transfer', { amount: '50', to: 'carol' }), 'p'), ['50 to carol']);
    const clicks = await Promise.all([pc.send('/confirm'), pc.send('/confirm')]);
    assert.deepEqual(clicks.map(({ status }) => status).sort(), [200, 409]);
    assert.deepEqual(texts(await pc.open('/account'), 'li'), ['50 to carol']);

    // She logs in on her phone: that ends the session at home, of which the application is told by a new one.
    const phone = new Visitor(limpet.url, ON_THE_WAY);
    await phone.open('/login');
    assert.deepEqual(texts(await phone.send('/login', ALICE), 'h1'), ['alice']);
    const [key, ...others] = await sessionsOf(limpet, 'alice');
    assert.deepEqual(others, []);
    const before = pc.cookies;
    assert.deepEqual(texts(await pc.open('/account'), 'h1'), []);
    assert.notEqual(pc.cookies, before);

    // Whoever has her cookies has nothing, from elsewhere or with another browser; no server hears of it.
    for (const from of [client(THIEF, PHONE), client('198.51.100.9', FIREFOX)]) {
      const stolen = await ask(`${limpet.url}/account`, { headers: { ...from, cookie: phone.cookies } });
      assert.deepEqual([stolen.status, stolen.code, stolen.backend], [403, 'BINDING_MISMATCH', '']);
      assert.equal(stolen.headers['set-cookie'], undefined);
    }
    // Nor does a page of another site that her own browser opens.
    const trap = {
      ...ON_THE_WAY,
      cookie: phone.cookies,
      'sec-fetch-site': 'cross-site',
      origin: 'https://evil.example',
    };
    const forged = await ask(`${limpet.url}/transfer`, {
      method: 'POST',
      headers: trap,
      body: 'amount=900&to=mallory',
    });
    assert.deepEqual([forged.status, forged.code, forged.backend], [403, 'CROSS_SITE', '']);
    const asked = Date.now();
    assert.deepEqual(texts(await phone.open('/confirm'), 'p'), ['Nothing to send']);
    assert.deepEqual(await sessionsOf(limpet, 'alice'), [key]);

    // She puts it away. To look at it keeps no session alive (20).
    await eventually('the end of her session', async () => (await sessionsOf(limpet, 'alice')).length === 0, 30_000);
    assert.ok(Date.now() - asked >= IDLE);
    const back = await phone.open('/account');
    assert.deepEqual([texts(back, 'h1'), texts(back, 'em')], [[], ['idle']]);

    const { first, last } = await bobs;
    assert.deepEqual(texts(bob.seen.at(-1)!, 'em'), ['lifetime']);
    assert.ok(last <= first + LIFETIME, 'the absolute limit is never extended (9)');

    await audited(audit, ({ event, user }) => event === 'expired' && user === 'bob');
    await audited(audit, ({ event, user }) => event === 'expired' && user === 'alice');
    const lines = readAudit(audit);
    // Strangers' sessions that nobody uses are swept away now and then.
    const hers = story(audit, '192.0.2.50').filter((text) => text !== 'expired idle');
    assert.deepEqual(hers, [
      'created',
      'rotated rotate alice',
      'created',
      'ended per-user-limit alice',
      'rotated rotate alice',
      'created',
      'binding-mismatch reject alice',
      'binding-mismatch reject alice',
      'refused CROSS_SITE',
      'expired idle alice',
      'created',
    ]);
    assert.ok(lines.some(({ event, reason, user }) => event === 'expired' && reason === 'lifetime' && user === 'bob'));
    const stolen = lines.filter(({ event }) => event === 'binding-mismatch');
    assert.deepEqual(
      stolen.map((one) => [one.key, one.client]),
      [
        [key, THIEF],
        [key, '198.51.100.9'],
      ],
    );
    assertNoSecrets(audit, [pc, phone, bob]);
  });

  /** Logs in and opens a page again and again, until it is not that of a customer any more. */
  async function clickToTheEnd(bob: Visitor): Promise<{ first: number; last: number }> {
    await bob.open('/account');
    const first = Date.now();
    let page: Answered = await bob.send('/login', { user: 'bob', pin: '0815' });
    let last = first;
    while (texts(page, 'h1').length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const at = Date.now();
      page = await bob.open('/account');
      if (texts(page, 'h1').length > 0) last = at;
    }
    return { first, last };
  }

  test('where the second log-in is to be refused, it is, until the first session has ended', async (t) => {
    const audit = files[1]!;
    const limpet = await startExampleFile('bank', apps, { AUDIT: audit, WHEN_FULL: 'refuse' });
    t.after(limpet.stop);
    const pc = new Visitor(limpet.url, AT_HOME);
    await pc.open('/login');
    await pc.send('/login', ALICE);
    const phone = new Visitor(limpet.url, ON_THE_WAY);
    await phone.open('/login');
    const before = phone.cookies;
    const refused = await phone.send('/login', ALICE);
    assert.deepEqual(
      [refused.status, refused.code, refused.headers['set-cookie']],
      [429, 'TOO_MANY_SESSIONS', undefined],
    );
    assert.match(refused.headers['retry-after'] ?? '', /^[1-9]\d*$/);
    assert.equal(phone.cookies, before);
    assert.deepEqual(texts(await phone.open('/account'), 'h1'), []);
    assert.deepEqual(texts(await pc.open('/account'), 'h1'), ['alice']);

    await pc.send('/logout');
    assert.equal(pc.cookie('customer'), undefined);
    assert.deepEqual(texts(await phone.send('/login', ALICE), 'h1'), ['alice']);
    assert.equal((await sessionsOf(limpet, 'alice')).length, 1);

    await audited(audit, ({ event }) => event === 'rotated', 2);
    assert.deepEqual(story(audit, ''), [
      'created',
      'rotated rotate alice',
      'created',
      'refused TOO_MANY_SESSIONS alice',
      'ended path alice',
      'created',
      'rotated rotate alice',
    ]);
    assertNoSecrets(audit, [pc, phone]);
  });

  /** No cookie that anybody was ever sent is in the audit log (22). */
  function assertNoSecrets(file: string, visitors: readonly Visitor[]): void {
    const text = readFileSync(file, 'utf8');
    for (const line of visitors.flatMap(({ seen }) => seen.flatMap(({ headers }) => headers['set-cookie'] ?? []))) {
      const value = /=([^;]*)/.exec(line)![1]!;
      if (value !== '') assert.ok(!text.includes(value.slice(0, 24)), line.split('=')[0] ?? line);
    }
  }
});
