// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of the configuration file.
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { formatConfigError } from '../../src/config/config-error.ts';
import { jsonSchema } from '../../src/config/json-schema.ts';
import { loadAdmin, loadConfig, parseConfig } from '../../src/config/load.ts';
import { printConfig } from '../../src/config/print.ts';
import { suggest } from '../../src/config/suggest.ts';

const root = new URL('../../', import.meta.url);
const directory = mkdtempSync(join(tmpdir(), 'limpet-load-'));
after(() => rmSync(directory, { recursive: true }));

const MINIMAL = 'listeners: [{ bind: "127.0.0.1:0" }]\npools: { shop: { backends: [{ id: a, url: "http://a:1" }] } }\n';

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(directory, name), content);
  return join(directory, name);
}

test('a file that is missing, a directory or no UTF-8 text is an error without a place', () => {
  const first = (name: string) => {
    const loaded = loadConfig(name);
    assert.ok('errors' in loaded);
    return formatConfigError(loaded.errors[0]!);
  };
  assert.equal(
    first('/nowhere/x.yaml'),
    '/nowhere/x.yaml: there is no such file: name one with -c, or write one with limpet init',
  );
  assert.match(first(directory), /is a directory/);
  assert.match(first(file('latin1.yaml', Uint8Array.of(0x61, 0xe4))), /not UTF-8/);
});

test('files that are named are meant from the directory of the configuration, and told when they cannot be read', () => {
  file('there.txt', 'a-token-that-is-long');
  const text = `${MINIMAL}admin: { tokenFile: there.txt }\nsessions: { secretFile: missing.txt }\n`;
  const loaded = loadConfig(file('files.yaml', text));
  assert.ok(!('errors' in loaded));
  assert.equal(loaded.config.admin.tokenFile, join(directory, 'there.txt'));
  assert.deepEqual(loaded.unreadable.map(formatConfigError), [
    `${directory}/files.yaml:4:25: sessions.secretFile: cannot read ${directory}/missing.txt: there is no such file: create it, or correct the path`,
  ]);
});

test('a snapshot that could not be replaced, or is no file, is told before the start', () => {
  const told = (snapshot: string, rest = '') => {
    const loaded = parseConfig(`${MINIMAL}sessions: { snapshot: ${snapshot}${rest} }\n`, join(directory, 'x.yaml'));
    assert.ok(!('errors' in loaded));
    assert.ok(loaded.unreadable.every(({ path, line }) => path === 'sessions.snapshot' && line === 3));
    return loaded.unreadable.map(({ message }) => message.replaceAll(directory, '.'));
  };
  assert.deepEqual(told('rows.bin'), []);
  file('rows.bin', 'x');
  assert.deepEqual(told('rows.bin'), []);
  assert.deepEqual(told(directory), ['. is a directory: name a file']);
  symlinkSync('/dev/null', join(directory, 'device'));
  assert.deepEqual(told('device'), ['./device is no regular file: name one that may be replaced']);
  for (const missing of ['missing', 'rows.bin']) {
    assert.deepEqual(told(`${missing}/rows.bin`), [
      `cannot write in ./${missing}: there is no such directory: create it, or correct the path`,
    ]);
  }
  assert.match(
    told('s'.repeat(200)).join(),
    /sss\.sock, .* has \d+ bytes and a socket's path 107 at most: use a shorter path$/,
  );
  file('rows.bin', 'ab12'.repeat(16));
  assert.deepEqual(told('rows.bin', ', secretFile: ./rows.bin'), [
    './rows.bin holds a secret and would be replaced: name a file of its own',
  ]);
});

test('a snapshot where this user may not write or read is told', {
  skip: process.getuid?.() === 0 && 'root may read and write everything',
}, () => {
  const told = (snapshot: string) => {
    const loaded = parseConfig(`${MINIMAL}sessions: { snapshot: ${snapshot} }\n`, join(directory, 'x.yaml'));
    assert.ok(!('errors' in loaded));
    return loaded.unreadable.map(({ message }) => message.replaceAll(directory, '.'));
  };
  mkdirSync(join(directory, 'closed'));
  file('closed/rows.bin', 'x');
  chmodSync(join(directory, 'closed/rows.bin'), 0o200);
  assert.deepEqual(told('closed/rows.bin'), [
    'cannot read ./closed/rows.bin: permission denied: let this user read it',
  ]);
  chmodSync(join(directory, 'closed'), 0o500);
  const refused = told('closed/rows.bin');
  chmodSync(join(directory, 'closed'), 0o700);
  assert.deepEqual(refused, ['cannot write in ./closed: permission denied: let this user write there']);
});

test('the admin API is found in a file that is wrong elsewhere', () => {
  const broken = file(
    'broken.yaml',
    'pools: ${UNSET_HERE}\nnonsense: 1\nadmin: { bind: "127.0.0.1:1", tokenFile: t }\n',
  );
  assert.deepEqual(loadAdmin(broken, {}), { admin: { bind: '127.0.0.1:1', tokenFile: join(directory, 't') } });
  const wrong = loadAdmin(file('wrong.yaml', 'admin: { bind: nowhere, tokn: 1 }\n'), {});
  assert.ok('errors' in wrong);
  assert.deepEqual(
    wrong.errors.map(({ path }) => path),
    ['admin.bind', 'admin.tokn'],
  );
  assert.deepEqual(loadAdmin(file('absent.yaml', 'pools: {}\n'), {}), {
    admin: { bind: '127.0.0.1:9900', tokenFile: null },
  });
  assert.ok('errors' in loadAdmin(file('syntax.yaml', 'admin: ['), {}));
});

test('a printed configuration is a configuration that resolves to the same', () => {
  const golden = new URL('golden/', import.meta.url);
  for (const name of ['minimal', 'merge-keys', 'full', 'defaults-written', 'discovery']) {
    const first = parseConfig(readFileSync(new URL(`${name}.yaml`, golden), 'utf8'), 'x.yaml', {});
    assert.ok(!('errors' in first));
    const printed = printConfig(first.config);
    assert.doesNotMatch(printed, /0123456789abcdef/);
    const second = parseConfig(printed.replace('(hidden)', '0123456789abcdef0123456789abcdef'), 'x.yaml', {});
    assert.ok(!('errors' in second), JSON.stringify(second));
    assert.deepEqual(second.config, first.config);
  }
});

test('text that looks like a variable is printed so that it stays text', () => {
  const text = MINIMAL.replace('backends:', () => 'affinity: [{ by: query, name: "$${X}" }], backends:');
  const first = parseConfig(text, 'x.yaml', {});
  assert.ok(!('errors' in first));
  const second = parseConfig(printConfig(first.config), 'x.yaml', {});
  assert.ok(!('errors' in second));
  assert.deepEqual(second.config, first.config);
});

test('limpet.yaml and every example are valid, without a warning', () => {
  const examples = readdirSync(new URL('config/examples/', root)).map((name) => `config/examples/${name}`);
  for (const name of ['config/limpet.yaml', ...examples]) {
    const loaded = loadConfig(new URL(name, root).pathname, {});
    assert.deepEqual('errors' in loaded ? loaded.errors.map(formatConfigError) : loaded.warnings, [], name);
  }
});

test('limpet.schema.json is the one that npm run schema writes', () => {
  assert.equal(readFileSync(new URL('config/limpet.schema.json', root), 'utf8'), jsonSchema());
});

test('a slip of the fingers finds the word that was meant, another word does not', () => {
  const known = ['weight', 'maxRequests', 'id', 'replicas'];
  for (const [word, meant] of [
    ['wieght', 'weight'],
    ['max-requests', 'maxRequests'],
    ['ID', 'id'],
    ['replica', 'replicas'],
  ] as const) {
    assert.equal(suggest(word, known), meant);
  }
  for (const word of ['x', 'it', 'height-of-all', '', 'w'.repeat(10_000)])
    assert.equal(suggest(word, known), null, word);
});
