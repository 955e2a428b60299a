/** Whatever a start refuses, `check` refuses, in the same words. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { parseConfig } from '../../src/config/load.ts';
import { BearerToken } from '../../src/keys/bearer-token.ts';
import { loadSecrets } from '../../src/keys/secrets.ts';
import { compileMatch } from '../../src/routing/matchers.ts';
import { runLimpet } from '../cli/run-limpet.ts';

const POOL = 'backends: [{ id: a, url: "http://127.0.0.1:1" }]';
const HEAD = 'listeners: [{ bind: "127.0.0.1:0" }]\n';

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-files-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** What `check` says of a configuration in this folder, a line each, without the place. */
function check(directory: string, yaml: string): string[] {
  const loaded = parseConfig(yaml, join(directory, 'limpet.yaml'), {});
  return ('errors' in loaded ? loaded.errors : loaded.unreadable).map(({ path, message }) => `${path}: ${message}`);
}

const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
const token = (file: string): string =>
  `${HEAD}pools: { p: { ${POOL}, affinity: [{ by: token, verify: { publicKeyFile: ${file}, algorithms: [EdDSA] } }] } }\n`;
const secret = `${HEAD}admin: { bind: "127.0.0.1:0" }\nsessions: { secretFile: file }\npools: { p: { ${POOL} } }\n`;
const admin = `${HEAD}admin: { bind: "127.0.0.1:0", tokenFile: file }\npools: { p: { ${POOL} } }\n`;
const socket = `listeners: [{ bind: "unix:file" }]\nadmin: { bind: "127.0.0.1:0" }\npools: { p: { ${POOL} } }\n`;

/** Configurations, and contents of `file`, that no limpet starts with. */
const REFUSED: readonly (readonly [name: string, yaml: string, content: string | Buffer | null])[] = [
  ['a secret that is too short', secret, randomBytes(31).toString('base64')],
  ['a secret of one byte repeated', secret, '00'.repeat(32)],
  ['no secret', secret, ''],
  ['comments only', secret, '# nothing\n'],
  ['neither base64 nor hex', secret, '?'.repeat(64)],
  ['a secret twice', secret, `${'ab12'.repeat(16)}\n${'ab12'.repeat(16)}`],
  ['a secret that is a folder', secret, null],
  ['a token that is too short', admin, 'short'],
  ['an empty token', admin, '\n'],
  ['two tokens', admin, `${'a'.repeat(32)}\n${'b'.repeat(32)}`],
  ['a token of bytes', admin, Buffer.from([0, 255, 254, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])],
  ['a private key for a public one', token('file'), privateKey],
  ['no key', token('file'), 'nothing'],
  ['a secret key for a public one', token('file'), '{"kty":"oct","k":"AAAA"}'],
  ['a file where a socket is to be', socket.replace('unix:file', 'unix:DIR/file'), 'x'],
  ['a socket in a folder that is not there', socket.replace('unix:file', 'unix:DIR/none/file'), 'x'],
  ['an admin socket where a file is', admin.replace('"127.0.0.1:0", tokenFile: file', '"unix:DIR/file"'), 'x'],
  [
    'a route that can never match',
    `${HEAD}routes: [{ match: { path: "/a;b" }, pool: p }]\npools: { p: { ${POOL} } }\n`,
    '',
  ],
  [
    'a path that servers read in two ways',
    `${HEAD}pools: { p: { ${POOL}, session: { endOn: [{ path: /a%2Fb }] } } }\n`,
    '',
  ],
  [
    'more backends than there is room for',
    `${HEAD}pools: { p: { backends: [${Array.from({ length: 1_025 }, (_, i) => `{ id: b${i}, url: "http://127.0.0.1:${i + 1}" }`).join(', ')}] } }\n`,
    '',
  ],
];

for (const [name, yaml, content] of REFUSED) {
  test(`B5: ${name}: check and start refuse it`, async (t) => {
    const directory = folder(t);
    const file = join(directory, 'file');
    if (content === null) mkdirSync(file);
    else writeFileSync(file, content, { mode: 0o600 });
    const text = yaml.replaceAll('DIR', directory);
    const said = check(directory, text);
    assert.equal(said.length, 1, said.join('\n'));
    writeFileSync(join(directory, 'limpet.yaml'), text);
    const { status, stderr } = await runLimpet(['start', '-c', join(directory, 'limpet.yaml')]);
    assert.notEqual(status, 0);
    assert.match(stderr, /./);
    assert.ok(!stderr.includes('ab12ab12'), 'a secret is never shown');
  });
}

/** Near to what is good, so that both outcomes come about. */
const line = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.uint8Array({ minLength: 28, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  fc.uint8Array({ minLength: 28, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  fc.constantFrom('', '# comment', '00'.repeat(32), 'a'.repeat(16), 'a'.repeat(15)),
);

test('B5: of any content of secretFile and tokenFile, check says what the start says', (t) => {
  const directory = folder(t);
  const file = join(directory, 'file');
  const outcome = (work: () => unknown): string[] => {
    try {
      work();
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  };
  fc.assert(
    fc.property(fc.array(line, { maxLength: 3 }), (lines) => {
      writeFileSync(file, lines.join('\n'), { mode: 0o600 });
      assert.deepEqual(
        check(directory, secret).map((text) => text.replace(/^sessions\.secretFile: /, '')),
        outcome(() => loadSecrets(file)),
      );
      assert.deepEqual(
        check(directory, admin),
        outcome(() => BearerToken.fromFile(file)),
      );
    }),
    { numRuns: 150 },
  );
});

test('B5: whatever path of a route the start refuses, check refuses', () => {
  const part = fc.constantFrom(
    '/',
    'a',
    ';',
    '%2F',
    '%2f',
    '%00',
    '\\',
    '.',
    '..',
    '//',
    'é',
    '%zz',
    '%3b',
    ' ',
    '= ',
    '~ ',
    '(',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const path = `/${parts.join('')}`;
      const yaml = `${HEAD}routes: [{ match: { path: ${JSON.stringify(path)} }, pool: p }]\npools: { p: { ${POOL} } }\n`;
      const said = check('/', yaml);
      let refused = false;
      try {
        compileMatch({ host: null, path, methods: [], headers: {} }, 'routes[0].match');
      } catch {
        refused = true;
      }
      assert.ok(!refused || said.length > 0, path);
    }),
    { numRuns: 500 },
  );
});

/** Every file that can refuse a start, and how `check` knows; or why it cannot. */
const REFUSERS: Readonly<Record<string, string>> = {
  'src/admin/admin-door.ts': 'who has the address now',
  'src/keys/bearer-token.ts': 'readTokenFile',
  'src/admin/server.ts': 'an address in use or not there; the rest is checked in check-listeners',
  'src/admin/unix-socket.ts': 'who listens there now; what is no socket is checked in unusable-files',
  'src/affinity/cascade.ts': 'check-affinity',
  'src/keys/secrets.ts': 'readSecretFile',
  'src/affinity/token-verifier.ts': 'readPublicKeyFile',
  'src/app.ts': 'what none of these has thrown',
  'src/backends/backend-tls.ts': 'findBadBackendTls',
  'src/listeners/listen-on-path.ts': 'who listens there now; the rest is checked in unusable-files',
  'src/listeners/listener.ts': 'an address in use or not there',
  'src/listeners/tls-front.ts': 'readTlsMaterial',
  'src/client/trusted-proxies.ts': 'check-listeners',
  'src/logging/audit-file.ts': 'findUnwritableFiles; a disk that is full now',
  'src/logging/log-output.ts': 'a descriptor of the process',
  'src/logging/pretty-format.ts': 'a package that is part of limpet',
  'src/model/listener-tls.ts': 'readTlsMaterial',
  'src/routing/matchers.ts': 'plainPath and the same regular expression',
  'src/routing/router.ts': 'check-routes',
  'src/routing/session-triggers.ts': 'check-session-rules, by the same function as routes',
  'src/sessions/store/redis/redis-supervisor.ts': 'what the other nodes say',
  'src/sessions/store/redis/shared-secret.ts': 'what the other nodes say',
  'src/sessions/persistence/snapshot-file.ts': 'findUnwritableFiles; a disk that fails now',
  'src/sessions/persistence/snapshot-keeper.ts': 'who holds the snapshot now',
  'src/supervisor/supervisor.ts': 'what a worker says, which is one of these',
  'src/worker/worker.ts': 'a reload that was given up',
};

test('B5: every place that can refuse a start is known, so that check has its part of it', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const found = globSync('src/**/*.ts', { cwd: root }).filter((file) =>
    /new StartError\(/.test(readFileSync(root + file, 'utf8')),
  );
  const unknown = found.filter((file) => REFUSERS[file] === undefined);
  assert.deepEqual(unknown, [], 'let check refuse it too, and say here how');
});
