import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { type AuditLine, audited, readAudit } from '../support/audit.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const PRELOAD = new URL('../support/crash-on-signal.ts', import.meta.url).href;

describe('the file of the audit log, with 2 workers', () => {
  const backend = new HttpBackend('a');
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'limpet-audit-'));
    await backend.start();
  });
  after(async () => {
    await backend.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  let files = 0;
  const newPath = (): string => join(directory, `audit-${files++}.jsonl`);

  const start = async (t: TestContext, path: string, env: Record<string, string> = {}): Promise<LimpetProcess> => {
    const limpet = await startLimpetProcess(
      `workers: 2\nlog: { audit: "${path}", access: false }\npools: { shop: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
      { env },
    );
    t.after(limpet.stop);
    return limpet;
  };

  /** Begins so many sessions, each on a connection of its own, so that both workers have some; their public ids. */
  const begin = async ({ url }: LimpetProcess, count: number): Promise<string[]> => {
    const keys: string[] = [];
    for (let left = count; left > 0; left -= 20) {
      const answers = await Promise.all(Array.from({ length: Math.min(20, left) }, () => ask(url)));
      for (const { body } of answers) {
        keys.push((JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session']!);
      }
    }
    return keys;
  };

  const keysOf = (lines: AuditLine[]): string[] => lines.map(({ key }) => key!).toSorted();

  test('each event is there once, in order, for its owner alone, and all of them when it stops', async (t) => {
    const path = newPath();
    const limpet = await start(t, path);
    const keys = await begin(limpet, 300);
    await limpet.stop();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const lines = readAudit(path);
    assert.deepEqual(keysOf(lines), keys.toSorted());
    for (const { event, pool, backend: id, client, from, reason, user } of lines) {
      assert.deepEqual(
        { event, pool, id, client, from, reason, user },
        { event: 'created', pool: 'shop', id: 'a', client: '127.0.0.1', from: null, reason: null, user: null },
      );
    }
    const times = lines.map(({ time }) => time);
    assert.deepEqual(times, times.toSorted());
  });

  test('what is there already stays', async (t) => {
    const path = newPath();
    for (const _ of [1, 2]) {
      const limpet = await start(t, path);
      await begin(limpet, 3);
      await limpet.stop();
    }
    assert.equal(readAudit(path).length, 6);
  });

  test('renamed and SIGHUP, five times under load: not a line is lost, doubled or torn, and both files have some', async (t) => {
    const path = newPath();
    const limpet = await start(t, path);
    const keys: string[] = [];
    let rotating = true;
    const load = Array.from({ length: 2 }, async () => {
      while (rotating) keys.push(...(await begin(limpet, 20)));
    });
    const rotated: string[] = [];
    for (let n = 1; n <= 5; n++) {
      await audited(path, () => true, 5);
      rotated.push(`${path}.${n}`);
      renameSync(path, rotated.at(-1)!);
      limpet.process.kill('SIGHUP');
      await eventually('a new file', () => statSync(path, { throwIfNoEntry: false }), 20_000);
    }
    await audited(path, () => true, 5);
    rotating = false;
    await Promise.all(load);
    await limpet.stop();
    const lines = [...rotated, path].map((name) => readAudit(name));
    for (const part of lines) assert.ok(part.length >= 5);
    assert.deepEqual(keysOf(lines.flat()), keys.toSorted());
  });

  test('SIGHUP opens it again also when the reload is refused', async (t) => {
    const path = newPath();
    const limpet = await start(t, path);
    await begin(limpet, 1);
    await audited(path, () => true);
    new ConfigFile(limpet).replace('workers: 2', 'workers: 3');
    renameSync(path, `${path}.1`);
    limpet.process.kill('SIGHUP');
    await limpet.logged((line) => /^reload refused/.test(String(line.msg)), 30_000);
    await begin(limpet, 1);
    await audited(path, () => true);
    assert.equal(readAudit(`${path}.1`).length, 1);
  });

  test('a reload turns it off, on, and over to another file', async (t) => {
    const [path, other] = [newPath(), newPath()];
    const limpet = await start(t, path);
    const file = new ConfigFile(limpet);
    await begin(limpet, 1);
    file.replace(`audit: "${path}"`, 'audit: null');
    assert.deepEqual(await file.reload('api'), ['log.audit']);
    await begin(limpet, 1);
    file.replace('audit: null', `audit: "${other}"`);
    await file.reload('signal');
    await begin(limpet, 2);
    file.replace(`audit: "${other}"`, `audit: "${path}"`);
    await file.reload('api');
    await begin(limpet, 3);
    await limpet.stop();
    assert.equal(readAudit(path).length, 1 + 3);
    assert.equal(readAudit(other).length, 2);
  });

  test('a file that cannot be written: at the start, and at a reload, which changes nothing then', async (t) => {
    const missing = join(directory, 'no', 'audit.jsonl');
    await assert.rejects(start(t, missing), (error: Error) => {
      assert.match(error.message, /log\.audit/);
      assert.ok(error.message.includes(missing));
      assert.match(error.message, /create it/);
      return true;
    });
    await assert.rejects(start(t, directory), /is a directory: name a file/);
    const path = newPath();
    const limpet = await start(t, path);
    new ConfigFile(limpet).replace(path, missing);
    const { status, body } = await ask(`${limpet.admin}/api/v1/reload`, { method: 'POST' });
    assert.equal(status, 422);
    assert.match(body, /log\.audit/);
    await begin(limpet, 1);
    await audited(path, () => true);
  });

  test('a full disk costs lines, which are counted, and nothing else', async (t) => {
    const limpet = await start(t, '/dev/full');
    const admin = new Admin(limpet.admin);
    await begin(limpet, 10);
    const line = await limpet.logged((one) => one.msg === 'audit log cannot be written: events wait in memory', 20_000);
    assert.match(String(line.problem), /disk is full/);
    assert.equal(await admin.metric('limpet_audit_dropped_total'), 0, 'they wait');
    await begin(limpet, 10);
    await limpet.stop();
    assert.equal(limpet.process.exitCode, 0);
    const lost = limpet.log.find((one) => one.msg === 'events of the audit log are lost');
    assert.equal(lost?.events, 20);
  });

  test('its directory is deleted: it goes on when that is back', async (t) => {
    const logs = join(directory, randomBytes(4).toString('hex'));
    mkdirSync(logs);
    const path = join(logs, 'audit.jsonl');
    const limpet = await start(t, path);
    await begin(limpet, 1);
    await audited(path, () => true);
    rmSync(logs, { recursive: true });
    await eventually('the trouble', async () => {
      await begin(limpet, 1);
      return limpet.log.some((line) => line.msg === 'audit log cannot be written: events wait in memory');
    });
    const [key] = await begin(limpet, 1);
    mkdirSync(logs);
    await audited(path, (line) => line.key === key);
    await limpet.logged((line) => line.msg === 'audit log is written again', 20_000);
  });

  test('a worker that dies takes with it what it had not sent, and holds nothing up', async (t) => {
    const path = newPath();
    const limpet = await start(t, path, { NODE_OPTIONS: `--import=${PRELOAD}` });
    await begin(limpet, 40);
    await audited(path, () => true, 40);
    limpet.process.kill('SIGUSR2');
    await limpet.logged((line) => line.msg === 'worker is started again', 20_000);
    const keys = await eventually('requests that are served', () => begin(limpet, 40).catch(() => null), 30_000);
    await audited(path, ({ key }) => keys.includes(key!), 40);
  });
});
