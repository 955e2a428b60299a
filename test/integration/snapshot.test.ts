import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { KEY_SOURCES } from '../../src/affinity/strategy.ts';
import { Key } from '../../src/keys/key.ts';
import { KeyHash } from '../../src/keys/key-hash.ts';
import { format } from '../../src/keys/public-id.ts';
import { keyFingerprint } from '../../src/keys/secrets.ts';
import { SnapshotFile } from '../../src/sessions/persistence/snapshot-file.ts';
import { Row, SessionTable } from '../../src/sessions/table/table.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { often } from '../support/long.ts';

const SESSIONS = often(20_000, 100_000);
const IDS = ['a', 'b', 'c'];
const SECRET = Buffer.alloc(32, 'one secret of the tests');

describe('snapshot', () => {
  const backends = IDS.map((id) => new HttpBackend(id));
  before(() => Promise.all(backends.map((backend) => backend.start())));
  after(() => Promise.all(backends.map((backend) => backend.stop())));

  const directoryOf = (t: TestContext): string => {
    const directory = mkdtempSync(join(tmpdir(), 'limpet-rows-'));
    t.after(() => rmSync(directory, { recursive: true }));
    return directory;
  };

  /** Two pools: sessions named by a header, and by limpet's own cookie. */
  const start = async (t: TestContext, directory: string, secretFile = true): Promise<LimpetProcess> => {
    writeFileSync(join(directory, 'secrets'), SECRET.toString('base64'), { mode: 0o600 });
    const members = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        `sessions: { max: 200000, snapshot: "${join(directory, 'rows')}"${secretFile ? `, secretFile: "${join(directory, 'secrets')}"` : ''} }`,
        'routes: [{ match: { path: /own }, pool: own }, { pool: shop }]',
        'pools:',
        `  own: { backends: [${members}] }`,
        `  shop: { backends: [${members}], affinity: [{ by: header, name: X-Session }] }`,
        '',
      ].join('\n'),
    );
    t.after(limpet.stop);
    return limpet;
  };

  const kill = async (limpet: LimpetProcess): Promise<void> => {
    const exited = once(limpet.process, 'exit');
    limpet.process.kill('SIGKILL');
    await exited;
  };

  /** Backend by public id, of all sessions of the pool. */
  const list = async (limpet: LimpetProcess): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    let cursor: string | null = '';
    while (cursor !== null) {
      const at: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = (await (await fetch(`${limpet.admin}/api/v1/sessions?pool=shop&limit=1000${at}`)).json()) as {
        sessions: { key: string; backend: string }[];
        cursor: string | null;
      };
      for (const { key, backend } of page.sessions) found.set(key, backend);
      cursor = page.cursor;
    }
    return found;
  };

  test(`25: limpet is killed with ${SESSIONS} sessions in its snapshot: after the restart every one is where it was`, {
    timeout: 240_000,
  }, async (t) => {
    const directory = directoryOf(t);
    const path = join(directory, 'rows');
    const where = await seed(path);
    const first = await start(t, directory);
    const agent = new Agent({ keepAlive: true, maxSockets: 20 });
    t.after(() => agent.destroy());
    // Some that it makes itself, and some that it moves.
    const hash = KeyHash.derive(SECRET, 'shop', 'header', 'x-session');
    const key = new Key();
    const idOf = (name: string): string => {
      hash.hash(name, 0, name.length, key);
      return format(key);
    };
    const inBatches = async (count: number, one: (n: number) => Promise<void>): Promise<void> => {
      let next = 0;
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          while (next < count) await one(next++);
        }),
      );
    };
    await inBatches(500, async (n) => {
      const { status, backend } = await ask(first.url, { headers: { 'X-Session': `new-${n}` }, agent });
      assert.equal(status, 200);
      where.set(idOf(`new-${n}`), backend);
    });
    const admin = new Admin(first.admin);
    await inBatches(50, async (n) => {
      const id = idOf(`seeded-${n}`);
      const to = IDS.find((candidate) => candidate !== where.get(id))!;
      await admin.moveSession(id, to);
      where.set(id, to);
    });
    const { ino } = statSync(path);
    await eventually('the next snapshot', () => statSync(path).ino !== ino, 120_000);
    await kill(first);

    const second = await start(t, directory);
    const line = await second.logged(({ msg }) => msg === 'sessions read from the snapshot');
    assert.deepEqual([line.rows, line.leftOut], [SESSIONS + 500, 0]);
    const found = await list(second);
    assert.equal(found.size, where.size);
    let wrong = 0;
    for (const [id, backend] of where) if (found.get(id) !== backend) wrong++;
    assert.equal(wrong, 0);
    await inBatches(2_000, async (n) => {
      const name = n < 500 ? `new-${n}` : `seeded-${(n * 37) % SESSIONS}`;
      const { backend } = await ask(second.url, { headers: { 'X-Session': name }, agent });
      assert.equal(backend, where.get(idOf(name)), name);
    });
    assert.equal((await list(second)).size, where.size, 'none of them was made anew');
  });

  test('25: sessions, and what the operator has set, outlive a clean stop; ended ones stay ended (24)', async (t) => {
    const directory = directoryOf(t);
    const first = await start(t, directory);
    const one = await ask(`${first.url}/own`);
    const ended = await ask(`${first.url}/own`);
    const admin = new Admin(first.admin);
    const sessions = await admin.sessions('own');
    const idOf = (answer: { body: string }): string =>
      sessions.find(({ key }) => answer.body.includes(key))?.key ?? assert.fail('the backend was told its session');
    await admin.endSession(idOf(ended));
    await admin.patch('shop', 'b', { state: 'drain', weight: 7 });
    await first.stop();
    const second = await start(t, directory);
    const again = new Admin(second.admin);
    assert.deepEqual(
      (await again.sessions('own')).map(({ key }) => key),
      [idOf(one)],
    );
    const { state, weight } = await again.backend('shop', 'b');
    assert.deepEqual([state, weight], ['drain', 7]);
    assert.equal((await ask(`${second.url}/own`, { headers: { Cookie: one.cookie } })).backend, one.backend);
    assert.notEqual((await ask(`${second.url}/own`, { headers: { Cookie: ended.cookie } })).cookie, '');
  });

  test('without a secret file the secret is kept beside the snapshot: cookies are good after a restart', async (t) => {
    const directory = directoryOf(t);
    const first = await start(t, directory, false);
    const { cookie, backend } = await ask(`${first.url}/own`);
    await first.stop();
    // The cookie alone would do, and so would the row.
    const second = await start(t, directory, false);
    for (let n = 0; n < 5; n++) {
      const answer = await ask(`${second.url}/own`, { headers: { Cookie: cookie } });
      assert.deepEqual([answer.backend, answer.cookie], [backend, '']);
    }
    assert.equal(statSync(join(directory, 'rows.secret')).mode & 0o777, 0o600);
    assert.equal(
      second.log.filter(({ level }) => level === 'warn').length,
      0,
      JSON.stringify(second.log.filter(({ level }) => level === 'warn')),
    );
  });

  test('25: a damaged snapshot is set aside with a clear line, and limpet takes traffic without it', async (t) => {
    const directory = directoryOf(t);
    const path = join(directory, 'rows');
    await seed(path);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
    const limpet = await start(t, directory);
    const line = await limpet.logged(({ level }) => level === 'error');
    assert.match(String(line.msg), /snapshot of the sessions cannot be used: its checksum is not that of its content/);
    assert.equal((await ask(limpet.url)).status, 200);
    assert.equal((await list(limpet)).size, 0);
    assert.ok(readdirSync(directory).some((name) => name.startsWith('rows.damaged-')));
    await limpet.stop();
    assert.equal(existsSync(path), true, 'there is a new one');
  });

  /** A snapshot with so many sessions of the pool shop. */
  async function seed(path: string): Promise<Map<string, string>> {
    const where = new Map<string, string>();
    const table = new SessionTable(SessionTable.allocate(2 * SESSIONS, 8, 1, 2), 1);
    const hash = KeyHash.derive(SECRET, 'shop', 'header', 'x-session');
    const key = new Key();
    const row = new Row();
    const now = Date.now();
    for (let n = 0; n < SESSIONS; n++) {
      const name = `seeded-${n}`;
      hash.hash(name, 0, name.length, key);
      table.adopt(key, 1, n % 3, 1, KEY_SOURCES.indexOf('header'), now - n, now, row);
      where.set(format(key), IDS[n % 3]!);
    }
    const lives = { reader: () => () => [], learn: () => {} };
    const names = { backends: (slot: number) => ({ name: `shop/${IDS[slot]}`, life: 1 }), resolve: () => null, lives };
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const description = { keyFingerprint: keyFingerprint(SECRET), backends: [] };
    const { rows } = await new SnapshotFile(path, log).write(() => description, names, table);
    assert.equal(rows, SESSIONS, 'none was evicted');
    return where;
  }
});
