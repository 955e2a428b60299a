/**
 * From limpet 0.1, as its commit has it, to this one and back. Where the history of the clone does not have it, its
 * recorded formats are tested alone (test/sessions/limpet-01.test.ts).
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { freePort } from '../support/free-port.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { limpet01 } from '../support/limpet-01.ts';

const VISITORS = 30;

const old = limpet01();

describe('limpet 0.1 and this one', { skip: old.missing }, () => {
  const backends = ['a', 'b', 'c'].map((id) => new HttpBackend(id));
  before(() => Promise.all(backends.map((backend) => backend.start())));
  /** Both listen there. */
  let port: number;
  before(async () => {
    port = await freePort();
  });
  after(() => Promise.all(backends.map((backend) => backend.stop())));

  const directoryOf = (t: TestContext): string => {
    const directory = mkdtempSync(join(tmpdir(), 'limpet-01-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    writeFileSync(join(directory, 'secret'), `${'0123456789abcdef'.repeat(4)}\n`, { mode: 0o600 });
    return directory;
  };

  /** @param main absent: this limpet */
  const start = async (
    t: TestContext,
    directory: string,
    main: string | undefined,
    ...args: string[]
  ): Promise<LimpetProcess> => {
    const replicas: Record<string, string> = { a: 'b', b: 'c', c: 'a' };
    const members = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}", replicas: [${replicas[id]}] }`);
    const limpet = await startLimpetProcess(
      [
        `listeners: [{ bind: "127.0.0.1:${port}" }]`,
        'workers: 1',
        'log: { access: false }',
        `sessions: { snapshot: "${join(directory, 'rows')}", secretFile: "${join(directory, 'secret')}" }`,
        'routes: [{ match: { path: /own }, pool: own }, { pool: shop }]',
        'pools:',
        `  own: { backends: [${members.join(', ')}] }`,
        `  shop: { backends: [${members.join(', ')}], affinity: [{ by: header, name: X-Session }] }`,
        '',
      ].join('\n'),
      { args, ...(main === undefined ? {} : { main }) },
    );
    t.after(limpet.stop);
    return limpet;
  };

  /** One with a header of its own, and one with limpet's cookie, for each visitor. */
  class Visitors {
    readonly home = new Map<string, string>();
    readonly cookies = new Map<number, string>();

    async come(limpet: LimpetProcess, only: (n: number) => boolean = () => true): Promise<Answered[]> {
      const answers: Answered[] = [];
      for (let n = 0; n < VISITORS; n++) {
        if (!only(n)) continue;
        const named = await ask(limpet.url, { headers: { 'x-session': `visitor ${n}` } });
        const cookie = this.cookies.get(n);
        const own = await ask(`${limpet.url}/own`, { headers: cookie === undefined ? {} : { cookie } });
        if (own.cookie !== '') this.cookies.set(n, own.cookie);
        for (const [name, answer] of [
          [`named ${n}`, named],
          [`own ${n}`, own],
        ] as const) {
          assert.equal(answer.status, 200, answer.code);
          const home = this.home.get(name) ?? answer.backend;
          this.home.set(name, home);
          assert.equal(answer.backend, home, name);
          answers.push(answer);
        }
      }
      return answers;
    }
  }

  const sessionsOf = async ({ admin }: LimpetProcess): Promise<number> => {
    const api = new Admin(admin);
    return (await api.sessions('shop')).length + (await api.sessions('own')).length;
  };

  test('119: a limpet that takes over from 0.1 under traffic loses no session, and tells it of what it changes', async (t) => {
    const directory = directoryOf(t);
    const before01 = await start(t, directory, old.missing === false ? old.main : undefined);
    const visitors = new Visitors();
    await visitors.come(before01);
    const exited = once(before01.process, 'exit');
    const starting = start(t, directory, undefined, '--take-over');
    // Some go on all the while, at whichever takes the connection.
    let limpet: LimpetProcess | null = null;
    starting.then((started) => (limpet = started)).catch(() => {});
    while (limpet === null) await visitors.come(before01, (n) => n % 3 === 0);
    await starting;
    assert.equal(await sessionsOf(limpet), 2 * VISITORS);
    const [code] = (await exited) as [number];
    assert.equal(code, 0);
    await visitors.come(limpet);
    // What 0.1 has handed over knows of no lives: when it was seen tells.
    const admin = new Admin((limpet as LimpetProcess).admin);
    for (const pool of ['own', 'shop']) await admin.restarted(pool, 'a');
    const homes = new Map(visitors.home);
    visitors.home.clear();
    await visitors.come(limpet);
    for (const [name, home] of homes) assert.equal(visitors.home.get(name), home === 'a' ? 'b' : home, name);
  });

  test('119: the snapshot of 0.1 is read, and 0.1 reads that of this limpet', async (t) => {
    const directory = directoryOf(t);
    const visitors = new Visitors();
    const main = old.missing === false ? old.main : undefined;
    const first = await start(t, directory, main);
    await visitors.come(first);
    await first.stop();
    const second = await start(t, directory, undefined);
    assert.equal(await sessionsOf(second), 2 * VISITORS);
    await visitors.come(second);
    await new Admin(second.admin).restarted('shop', 'c');
    await second.stop();
    const third = await start(t, directory, main);
    assert.equal(await sessionsOf(third), 2 * VISITORS);
    await visitors.come(third);
  });
});
