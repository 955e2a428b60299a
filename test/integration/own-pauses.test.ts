import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type BackendProcess, startBackends } from '../support/backends.ts';
import { Certificates } from '../support/certificates.ts';
import { CookieCrowd } from '../support/cookie-crowd.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { LONG, often } from '../support/long.ts';
import { RedisServer } from '../support/redis.ts';

/** The long form has every length of pause, ten times each. */
const CLIENTS = often(10, 40);

/** Limpet and its backends stand still: what SIGSTOP does to a process, a hypervisor does to a machine. */
describe('limpet stands still', { timeout: 3_600_000 }, () => {
  let backends: BackendProcess[];
  before(async () => {
    backends = await startBackends('a', 'b', 'c');
  });
  after(() => Promise.all(backends.map((backend) => backend.kill())));

  const config = (more = ''): string => {
    const members = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    return [
      'workers: 2',
      'log: { access: false }',
      'shutdown: { grace: 20s }',
      more,
      'pools:',
      '  shop:',
      `    backends: [${members}]`,
      '    affinity: [{ by: cookie }]',
      '    timeouts: { connect: 1s, response: 3s }',
      '    health: { active: { path: /healthz, interval: 1s, timeout: 1s, fall: 2, rise: 1 } }',
      '',
    ].join('\n');
  };
  const start = async (t: TestContext, text: string, args: string[] = []): Promise<LimpetProcess> => {
    const limpet = await startLimpetProcess(text, { args });
    t.after(() => {
      limpet.process.kill('SIGCONT');
      return limpet.stop();
    });
    return limpet;
  };
  const crowd = async (t: TestContext, limpet: LimpetProcess): Promise<CookieCrowd> => {
    const clients = new CookieCrowd(CLIENTS, () => `${limpet.url}/?wait=50`);
    t.after(() => clients.stop());
    await clients.settled();
    return clients;
  };
  /** @param machine the backends as well */
  const pause = async (limpets: LimpetProcess[], ms: number, machine: boolean): Promise<void> => {
    const all = [...limpets.map(({ process }) => process), ...(machine ? backends : [])];
    const signal = (name: NodeJS.Signals): void => {
      for (const each of all) 'signal' in each ? each.signal(name) : each.kill(name);
    };
    signal('SIGSTOP');
    await setTimeout(ms);
    signal('SIGCONT');
  };
  const undisturbed = async (limpet: LimpetProcess, clients: CookieCrowd, ids = ['a', 'b', 'c']): Promise<void> => {
    await clients.stop();
    assert.deepEqual(clients.troubles, []);
    const flips = limpet.log.filter(({ msg }) => /^backend is (?:down|ejected)/.test(String(msg)));
    assert.deepEqual(flips, []);
    for (const id of ids) {
      const { failures, health } = await new Admin(limpet.admin).backend('shop', id);
      assert.equal(failures, 0, `failures of ${id}`);
      assert.equal(health, 'up');
    }
  };

  for (const ms of LONG ? [1_500, 4_000, 10_000] : [4_000]) {
    test(`L0: for ${ms} ms under load: no error, no session moves, no backend is blamed`, async (t) => {
      const limpet = await start(t, config());
      const clients = await crowd(t, limpet);
      for (let n = 0; n < often(1, 10); n++) {
        const before = clients.answers;
        await pause([limpet], ms, false);
        await setTimeout(500);
        assert.ok(clients.answers > before);
      }
      await undisturbed(limpet, clients);
      t.diagnostic(`${clients.answers} answers`);
    });
  }

  test('L0: between TLS and HTTP/2', async (t) => {
    const made = new Certificates();
    t.after(() => made.remove());
    const { cert, key } = made.make('limpet', { names: ['127.0.0.1'] });
    const servers = await Promise.all(
      ['a', 'b'].map(async (id) => {
        const server = createHttp2Server();
        const sessions = new Set<ServerHttp2Session>();
        server.on('session', (session) => sessions.add(session));
        server.on('stream', (stream: ServerHttp2Stream) => {
          stream.on('error', () => {});
          globalThis.setTimeout(() => {
            if (!stream.destroyed) stream.respond({ ':status': 200, 'x-backend': id }, { endStream: true });
          }, 50);
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        t.after(() => {
          for (const session of sessions) session.destroy();
          server.close();
        });
        return `{ id: ${id}, url: "http://127.0.0.1:${(server.address() as AddressInfo).port}" }`;
      }),
    );
    const limpet = await start(
      t,
      [
        `listeners: [{ bind: "127.0.0.1:0", tls: { certificates: [{ cert: "${cert}", key: "${key}" }] } }]`,
        'workers: 2',
        'pools:',
        '  shop:',
        `    backends: [${servers.join(', ')}]`,
        '    http2: true',
        '    affinity: [{ by: cookie }]',
        '    timeouts: { connect: 1s, response: 3s }',
        '    health: { active: { path: /healthz, interval: 1s, timeout: 1s, fall: 2, rise: 1 } }',
        '',
      ].join('\n'),
    );
    const clients = await crowd(t, limpet);
    for (const ms of LONG ? [1_500, 4_000, 10_000, 1_500, 4_000, 10_000] : [4_000]) {
      await pause([limpet], ms, false);
      await setTimeout(500);
    }
    await undisturbed(limpet, clients, ['a', 'b']);
  });

  test('L0: a machine that stands still, and stands still again while limpet reloads', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'limpet-pause-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'limpet.yaml');
    const text = `listeners: [{ bind: "127.0.0.1:0" }]\nadmin: { bind: "127.0.0.1:0" }\n${config()}`;
    writeFileSync(file, text);
    const limpet = await start(t, config(), ['-c', file]);
    const clients = await crowd(t, limpet);
    for (let n = 0; n < often(1, 10); n++) {
      writeFileSync(file, text.replace('response: 3s', `response: ${3_001 + n}ms`));
      limpet.process.kill('SIGHUP');
      await pause([limpet], 4_000, true);
      await limpet.logged((line) => line.msg === 'reload: configuration changed' && line.generation === n + 2);
      await setTimeout(500);
    }
    await undisturbed(limpet, clients);
  });

  test('L0: a machine that stands still, with sessions in Redis, which stands still as well', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.stop());
    const sessions = `sessions: { store: redis, redis: { url: "${redis.url}", whenDown: reject } }`;
    const limpet = await start(t, config(sessions));
    const clients = await crowd(t, limpet);
    for (const ms of LONG ? [1_500, 4_000, 10_000, 1_500, 4_000, 10_000] : [4_000]) {
      redis.signal('SIGSTOP');
      await pause([limpet], ms, true);
      redis.signal('SIGCONT');
      await setTimeout(700);
      await pause([limpet], ms, false);
      await setTimeout(700);
    }
    await undisturbed(limpet, clients);
    assert.deepEqual(
      limpet.log.filter(({ msg }) => msg === 'the shared session store is down'),
      [],
    );
  });

  test('L0: a machine that stands still during a take-over', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'limpet-pause-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const snapshot = `sessions: { snapshot: "${join(directory, 'rows')}" }`;
    let limpet = await start(t, config(snapshot));
    const { port } = limpet;
    const clients = await crowd(t, limpet);
    for (let n = 0; n < often(1, 10); n++) {
      const listener = `listeners: [{ bind: "127.0.0.1:${port}" }]\n`;
      const old = limpet;
      const ended = new Promise((resolve) => old.process.once('exit', resolve));
      const starting = start(t, listener + config(snapshot), ['--take-over']);
      await old.logged(({ msg }) => /takes over/.test(String(msg)), 30_000);
      limpet = await starting;
      await pause([old, limpet], 4_000, true);
      await ended;
      await setTimeout(500);
    }
    await undisturbed(limpet, clients);
  });
});
