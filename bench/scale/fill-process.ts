/**
 * Child process that makes sessions outside of limpet: fills a table, measures its lookups, and writes its snapshot.
 * Some of the sessions have cookies that limpet takes for its own, a line each in a file. Arguments: configuration,
 * sessions, cookies, file of the snapshot, file of the cookies. Ends when its parent does.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { CookieCodec, ID_BYTES, ID_LENGTH } from '../../src/affinity/cookie-codec.ts';
import { KEY_SOURCES } from '../../src/affinity/strategy.ts';
import { CookieReader } from '../../src/cli/cookie-reader.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Key } from '../../src/keys/key.ts';
import { KeyHash } from '../../src/keys/key-hash.ts';
import { keyFingerprint, loadSecrets } from '../../src/keys/secrets.ts';
import { SnapshotFile } from '../../src/sessions/persistence/snapshot-file.ts';
import { Row, SessionTable } from '../../src/sessions/table/table.ts';
import { lookupCost } from '../lookup-cost.ts';
import { setNthKey } from '../nth-key.ts';
import { spread } from '../statistics.ts';
import type { FillReply } from './fill.ts';
import { POOL } from './resident-limpet.ts';

/** So much room that none is evicted. */
const SPARE = 1.2;
const ROUNDS = 7;
const IDLE = 12 * 3_600_000;
const BY = KEY_SOURCES.indexOf('cookie');

process.once('disconnect', () => process.exit(0));
const [configFile, sessionsText, cookiesText, snapshot, cookieFile] = process.argv.slice(2);
const sessions = Number(sessionsText);
const cookies = Number(cookiesText);

const loaded = loadConfig(configFile!);
if ('errors' in loaded) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
const { secrets } = loadSecrets(loaded.config.sessions.secretFile);
const { pool, cookie } = new CookieReader(loaded.config, secrets).pools.get(POOL)!;

const table = new SessionTable(SessionTable.allocate(Math.ceil(sessions * SPARE), 16, 1, 1), 1);
const key = new Key();
const row = new Row();
const began = Date.now();

function bind(n: number): void {
  table.adopt(key, 0, n % pool.backends.length, 1, BY, began, began, row);
  table.setIssued(key, began);
}

for (let n = 0; n < sessions; n++) {
  setNthKey(key, n);
  bind(n);
  if (n % 1_000_000 === 999_999) tell({ progress: `${n / 1e6 + 1e-6} million sessions made` });
}
const fillSeconds = (Date.now() - began) / 1000;

const hits: number[] = [];
const misses: number[] = [];
for (let round = 0; round <= ROUNDS; round++) {
  const { hit, miss, found } = lookupCost(table, sessions, Date.now(), IDLE);
  if (found < 0.999) throw new Error(`only ${found} of the lookups found their session`);
  // The first round runs code that is not compiled yet.
  if (round > 0) hits.push(hit);
  if (round > 0) misses.push(miss);
}

// The first ones go for some that a client can name.
const codec = new CookieCodec(secrets, pool);
const hash = KeyHash.derive(secrets[0]!, pool.name, 'cookie', cookie);
const lines: string[] = [];
for (let n = 0; n < cookies; n++) {
  setNthKey(key, n);
  table.remove(key);
  const id = randomBytes(ID_BYTES).toString('base64url');
  lines.push(`${cookie}=${codec.encode(id, pool.backends[n % pool.backends.length]!, began, began)}\n`);
  hash.hash(id, 0, ID_LENGTH, key);
  bind(n);
}
writeFileSync(cookieFile!, lines.join(''), { mode: 0o600 });

const lives = { reader: () => () => [], learn: () => {} };
const nameOf = (slot: number) => ({ name: `${pool.name}/${pool.backends[slot]!.id}`, life: 1 });
const names = { backends: nameOf, resolve: () => null, lives };
const log = { debug() {}, info() {}, warn() {}, error() {} };
const description = { keyFingerprint: keyFingerprint(secrets[0]!), backends: [] };
const { rows, bytes } = await new SnapshotFile(snapshot!, log).write(() => description, names, table);
const filled = { rows, bytes, fillSeconds, hitNs: spread(hits).median, missNs: spread(misses).median };
process.send?.({ filled } satisfies FillReply, () => process.exit(0));

function tell(reply: FillReply): void {
  process.send?.(reply);
}
