import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { keyFingerprint, loadSecrets } from '../../src/keys/secrets.ts';
import { secretOf } from '../affinity/pool-fixture.ts';

function fileOf(t: TestContext, text: string, mode = 0o600): string {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-secrets-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'secrets');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const bytes = (seed: number): Buffer => Buffer.from(secretOf(seed));

test('hex, base64 and base64url are read, in the order of the file, around comments and blank lines', (t) => {
  const file = fileOf(
    t,
    [
      '# the first signs',
      bytes(1).toString('base64'),
      '',
      `  ${bytes(2).toString('hex').toUpperCase()}  # from before`,
      `${bytes(3).toString('base64url')}\r`,
      `\t${bytes(4).toString('base64').replace(/=+$/, '')}`,
      `${Buffer.concat([bytes(5), bytes(6)]).toString('base64')} #`,
      '',
    ].join('\n'),
  );
  const { secrets, warning } = loadSecrets(file);
  assert.deepEqual(
    secrets.map((secret) => Buffer.from(secret)),
    [bytes(1), bytes(2), bytes(3), bytes(4), Buffer.concat([bytes(5), bytes(6)])],
  );
  assert.equal(warning, null);
});

const short = bytes(1).subarray(0, 31);
const good = bytes(1).toString('hex');
const bad: readonly (readonly [string, string, string])[] = [
  [
    'a secret that is too short',
    `# one\n${short.toString('base64')}`,
    ':2: the secret has 31 bytes, at least 32 are needed; make one with: openssl rand -base64 32',
  ],
  ['short hex that would be long enough as base64', bytes(1).toString('hex', 0, 24), ':1: the secret has 24 bytes'],
  ['an odd number of hex digits', `${good}a`, ':1: hex has an odd number of digits'],
  ['other characters', `\n\n${bytes(1).toString('base64')}!`, ':3: is neither base64 nor hex'],
  ['a mixture of base64 and base64url', `+${'A_'.repeat(22)}A`, ':1: is neither base64 nor hex'],
  ['wrong padding', `${'QUJD'.repeat(11)}=`, ':1: is neither base64 nor hex'],
  ['a length that is no base64', 'QUJD'.repeat(11).concat('Q'), ':1: is neither base64 nor hex'],
  ['one byte repeated', '00'.repeat(32), ':1: the secret is one byte repeated'],
  ['the same secret twice', `${good}\n\n${bytes(1).toString('base64')}`, ':3: is the same secret as line 1'],
  ['nothing', '', ': holds no secret'],
  ['comments only', '# nothing\n  \n', ': holds no secret'],
];
for (const [what, text, message] of bad) {
  test(`${what} is refused with its line, and without showing it`, (t) => {
    const file = fileOf(t, text);
    assert.throws(
      () => loadSecrets(file),
      (error: Error) => {
        assert.equal(error.name, 'StartError');
        assert.ok(error.message.startsWith(file + message), error.message);
        for (const line of text.split('\n'))
          if (line.trim().length > 8 && !line.startsWith('#')) assert.ok(!error.message.includes(line.trim()));
        return true;
      },
    );
  });
}

test('a file that is not there is named', () => {
  assert.throws(() => loadSecrets('/nowhere/secrets'), {
    name: 'StartError',
    message: /^sessions\.secretFile: cannot read \/nowhere\/secrets: there is no such file/,
  });
});

test('a file that every user can read is warned of, one that the group can read is not', (t) => {
  const file = fileOf(t, good, 0o644);
  assert.equal(
    loadSecrets(file).warning,
    `${file} can be read or written by every user of this machine (mode 644): chmod o-rwx ${file}`,
  );
  assert.equal(loadSecrets(fileOf(t, good, 0o640)).warning, null);
});

test('without a file a secret is made up each time, with a warning that cookies do not survive a restart (behaviour 11)', () => {
  const [one, two] = [loadSecrets(null), loadSecrets(null)];
  assert.equal(one.secrets.length, 1);
  assert.equal(one.secrets[0]!.byteLength, 32);
  assert.notDeepEqual(one.secrets[0], two.secrets[0]);
  assert.match(one.warning!, /do not survive a restart/);
});

test('without a file the secret is kept beside the snapshot, readable by its owner only, and read at the next start', (t) => {
  const snapshot = join(dirname(fileOf(t, '')), 'rows');
  const first = loadSecrets(null, snapshot);
  assert.equal(first.warning, null);
  assert.equal(first.secrets[0]!.byteLength, 32);
  assert.equal(statSync(`${snapshot}.secret`).mode & 0o777, 0o600);
  assert.deepEqual(loadSecrets(null, snapshot), first);
  assert.deepEqual(readdirSync(dirname(snapshot)).sort(), ['rows.secret', 'secrets'], 'nothing else is left behind');
  assert.ok(!readFileSync(`${snapshot}.secret`, 'latin1').includes(keyFingerprint(first.secrets[0]!)));
});

test('a secret file goes before the one beside the snapshot', (t) => {
  const file = fileOf(t, bytes(1).toString('hex'));
  const snapshot = join(dirname(file), 'rows');
  loadSecrets(null, snapshot);
  assert.deepEqual(Buffer.from(loadSecrets(file, snapshot).secrets[0]!), bytes(1));
});

test('a secret that cannot be kept or read beside the snapshot is an error that says so', (t) => {
  const directory = dirname(fileOf(t, ''));
  assert.throws(() => loadSecrets(null, join(directory, 'gone', 'rows')), {
    name: 'StartError',
    message: /^sessions\.snapshot: cannot keep a secret in .*rows\.secret: .*ENOENT.*; or set sessions\.secretFile$/,
  });
  writeFileSync(join(directory, 'rows.secret'), 'short\n', { mode: 0o600 });
  assert.throws(() => loadSecrets(null, join(directory, 'rows')), /rows\.secret:1: /);
});

test('a fingerprint names a secret and tells nothing of it', () => {
  assert.equal(keyFingerprint(bytes(1)), keyFingerprint(Uint8Array.from(bytes(1))));
  assert.notEqual(keyFingerprint(bytes(1)), keyFingerprint(bytes(2)));
  assert.match(keyFingerprint(bytes(1)), /^[A-Za-z0-9_-]{22}$/);
});
