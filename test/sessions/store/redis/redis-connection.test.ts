import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { StartError } from '../../../../src/errors-start.ts';
import { keyFingerprint } from '../../../../src/keys/secrets.ts';
import { createLogger } from '../../../../src/logging/logger.ts';
import { RedisSupervisor } from '../../../../src/sessions/store/redis/redis-supervisor.ts';
import { SessionTable } from '../../../../src/sessions/table/table.ts';
import { claimOn } from '../../../contracts/session-store.ts';
import { eventually } from '../../../support/eventually.ts';
import { freePort } from '../../../support/free-port.ts';
import { RedisServer } from '../../../support/redis.ts';
import { openRedisNode } from '../../../support/redis-nodes.ts';
import { randomKeys } from '../../random-keys.ts';

const opened: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop();
});

/** A supervisor's part that has not connected yet. */
function supervisor(url: string) {
  const log: string[] = [];
  const memory = SessionTable.allocate(1_000, 16, 4, 4, true);
  const made = new RedisSupervisor({
    config: { url, sentinels: [], cluster: [], prefix: 'limpet:', whenDown: 'local' },
    table: new SessionTable(memory, 1),
    memory,
    workers: 1,
    pools: () => [],
    log: createLogger('debug', { write: (lines) => log.push(lines) }),
    standing: () => 0,
    now: Date.now,
  });
  opened.push(made);
  return { made, log };
}

async function openNode(...args: Parameters<typeof openRedisNode>): ReturnType<typeof openRedisNode> {
  const node = await openRedisNode(...args);
  opened.push({ stop: () => node.close() });
  return node;
}

const secret = (byte: number): Buffer => Buffer.alloc(32, `x${byte}`);
const own = (...secrets: Buffer[]) => ({ secrets, warning: 'no file' });

describe('a server with a password, a user and several databases', () => {
  let redis: RedisServer;
  before(async () => {
    redis = await RedisServer.start(['--requirepass', 'p@ss:word']);
    await redis.client.acl('SETUSER', 'limpet', 'on', '>se/cret', '~shop:*', '&shop:*', '+@all');
  });
  after(() => redis?.stop());

  test('the url names user, password and database, and the prefix is all that limpet touches', async () => {
    const url = `redis://limpet:se%2Fcret@127.0.0.1:${redis.port}/3`;
    const one = await openNode({ url, prefix: 'shop:' }, 'ab');
    const two = await openNode({ url, prefix: 'shop:' }, 'ba');
    const [key] = randomKeys(1, 1);
    assert.equal((await claimOn(one, key!, 'a')).home, 'a');
    assert.equal((await claimOn(two, key!, 'b')).home, 'a');
    assert.equal(one.status.up, true);
    assert.equal(await redis.client.dbsize(), 0);
    await redis.client.select(3);
    const names = await redis.client.keys('*');
    assert.ok(names.length > 0 && names.every((name) => name.startsWith('shop:')));
  });

  test('a wrong password is said and not told', async () => {
    const { made, log } = supervisor(`redis://:wr0ng@127.0.0.1:${redis.port}/0`);
    const shared = await made.connect(own(secret(1)), true);
    assert.deepEqual(shared.keySecret, secret(1));
    const text = log.join('');
    assert.match(text, /cannot be reached/);
    assert.match(text, /WRONGPASS|NOAUTH|invalid/i);
    assert.doesNotMatch(text, /wr0ng/);
  });
});

test('rediss:// is TLS, and a server that nobody vouches for is not believed', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-tls-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certFile],
    ],
    { stdio: 'ignore' },
  );
  const port = await freePort();
  const redis = await RedisServer.start([
    ...[
      '--tls-port',
      String(port),
      '--tls-cert-file',
      certFile,
      '--tls-key-file',
      keyFile,
      '--tls-auth-clients',
      'no',
      '--tls-ca-cert-file',
      certFile,
    ],
  ]);
  context.after(() => redis.stop());
  const url = `rediss://127.0.0.1:${port}/0`;

  const stranger = supervisor(url);
  await stranger.made.connect(own(secret(1)), true);
  assert.equal(stranger.made.view.up, false);
  assert.match(stranger.log.join(''), /self.signed/);
  // It would try again, and be the first to say what keys are hashed with.
  await stranger.made.stop();

  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, readFileSync(certFile, 'utf8')]);
  context.after(() => setDefaultCACertificates(trusted));
  const node = await openNode({ url }, 'ab');
  const [key] = randomKeys(1, 2);
  assert.equal((await claimOn(node, key!, 'a')).home, 'a');
  assert.equal(node.status.up, true);
});

describe('the secret that hashes keys', () => {
  let redis: RedisServer;
  before(async () => {
    redis = await RedisServer.start();
  });
  after(() => redis?.stop());

  test('is the one that the first node had, whatever the order of the secrets', async () => {
    const first = supervisor(redis.url);
    const second = supervisor(redis.url);
    const stranger = supervisor(redis.url);
    assert.deepEqual((await first.made.connect(own(secret(1), secret(2)), true)).keySecret, secret(1));
    const shared = await second.made.connect(own(secret(2), secret(1)), true);
    assert.deepEqual(shared.keySecret, secret(1));
    assert.deepEqual(shared.secrets, [secret(2), secret(1)]);
    assert.equal(await redis.client.get('limpet:key'), keyFingerprint(secret(1)));
    await assert.rejects(stranger.made.connect(own(secret(3)), true), (error: unknown) => {
      assert.ok(error instanceof StartError);
      assert.match(error.message, /use the same file on all nodes/);
      return true;
    });
  });

  test('is kept in Redis when there is no file, and that is said', async () => {
    const first = supervisor(redis.url);
    const second = supervisor(redis.url);
    const one = await first.made.connect(own(secret(4)), false);
    const two = await second.made.connect(own(secret(5)), false);
    assert.deepEqual(two.secrets, one.secrets);
    assert.deepEqual(Buffer.from(two.keySecret), secret(4));
    assert.match(two.warning ?? '', /whoever can read Redis can make cookies/);
  });

  test('with no file and no Redis there is no start', async () => {
    const { made } = supervisor(`redis://127.0.0.1:${await freePort()}/0`);
    await assert.rejects(made.connect(own(secret(6)), false), (error: unknown) => {
      assert.ok(error instanceof StartError);
      assert.match(error.message, /ECONNREFUSED.*sessions\.secretFile/);
      return true;
    });
  });

  test('comes back with the node when Redis has lost it', async () => {
    await openNode({ url: redis.url, prefix: 'lost:' }, 'ab', [secret(7)]);
    await redis.client.flushall();
    await redis.client.client('KILL', 'TYPE', 'PUBSUB');
    await eventually('the fingerprint', async () => (await redis.client.get('lost:key')) === keyFingerprint(secret(7)));
  });
});
