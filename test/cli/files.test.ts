import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { chooseEngine, engineFacts } from '../../src/sockets/choose-engine.ts';
import { callLimpet } from './call-limpet.ts';
import { runLimpet } from './run-limpet.ts';

const directory = mkdtempSync(join(tmpdir(), 'limpet-cli-'));
after(() => rmSync(directory, { recursive: true }));

const VALID =
  'listeners: [{ bind: "127.0.0.1:0" }]\npools: { shop: { backends: [{ id: a, url: "http://127.0.0.1:9" }] } }\n';
const WRONG = 'listeners: [{ bnd: x }]\npools: { shop: {} }\nsessions: { max: 0 }\n';

const { engine, why } = chooseEngine('auto', engineFacts());
const SOCKETS = `sockets: ${engine}${why === null ? '' : ` (${why})`}`;

function file(name: string, content: string): string {
  writeFileSync(join(directory, name), content);
  return name;
}

function limpet(...args: string[]) {
  return runLimpet(args, { cwd: directory });
}

test('check says on one line that a file is valid, and its warnings on standard error', async () => {
  const valid = await limpet('check', '-c', file('valid.yaml', VALID));
  assert.deepEqual(valid, {
    status: 0,
    stdout: `valid: valid.yaml (1 listener, 1 route, 1 pool, 1 backend)\n${SOCKETS}\n`,
    stderr: '',
  });
  const warned = await limpet('check', '-c', file('warned.yaml', VALID.replace('id: a,', 'id: a, weight: 0,')));
  assert.equal(warned.status, 0);
  assert.equal(
    warned.stderr,
    'warning: warned.yaml:2:28: pools.shop.backends: no backend takes new sessions: none is ready with a weight above 0\n',
  );
});

test('76: check says beforehand by which engine connections would be read', async () => {
  const sockets = async (value: string) => {
    const name = file('sockets.yaml', `${VALID}sockets: ${value}\n`);
    const { stdout } = await limpet('check', '-c', name);
    const { sockets: json } = JSON.parse((await limpet('check', '--json', '-c', name)).stdout) as { sockets: unknown };
    return [stdout.split('\n')[1], json];
  };
  assert.deepEqual(await sockets('auto'), [SOCKETS, { engine, why }]);
  assert.deepEqual(await sockets('node'), ['sockets: node', { engine: 'node', why: null }]);
});

test('check prints every error on standard error and ends with status 2', async () => {
  const { status, stdout, stderr } = await limpet('check', '-c', file('wrong.yaml', WRONG));
  assert.deepEqual({ status, stdout }, { status: 2, stdout: '' });
  assert.deepEqual(
    stderr
      .trimEnd()
      .split('\n')
      .map((line) => line.split(': ').slice(0, 2)),
    [
      ['wrong.yaml:1:13', 'listeners[0].bind'],
      ['wrong.yaml:1:15', 'listeners[0].bnd'],
      ['wrong.yaml:2:16', 'pools.shop.backends'],
      ['wrong.yaml:3:18', 'sessions.max'],
    ],
  );
});

test('check --json prints one JSON document, valid or not', async () => {
  const valid = await limpet('check', '--json', '--print', '-c', file('valid.yaml', VALID));
  const document = JSON.parse(valid.stdout) as Record<string, unknown>;
  assert.deepEqual(
    { ...document, config: null, sockets: null },
    { file: 'valid.yaml', valid: true, errors: [], warnings: [], sockets: null, config: null },
  );
  assert.equal((document.config as { shutdown: { grace: string } }).shutdown.grace, '30s');
  const wrong = await limpet('check', '--json', '-c', file('wrong.yaml', WRONG));
  assert.deepEqual({ status: wrong.status, stderr: wrong.stderr }, { status: 2, stderr: '' });
  const { errors } = JSON.parse(wrong.stdout) as { errors: Record<string, unknown>[] };
  assert.equal(errors.length, 4);
  assert.deepEqual(
    { ...errors[3], message: null },
    { file: 'wrong.yaml', line: 3, column: 18, path: 'sessions.max', message: null },
  );
});

test('check --print prints YAML with every default and nothing else', async () => {
  const { stdout, stderr } = await limpet('check', '--print', '-c', file('valid.yaml', VALID));
  assert.equal(stderr, '');
  const printed = parse(stdout) as { pools: { shop: { affinity: unknown[]; session: { idle: string } } } };
  assert.equal(printed.pools.shop.session.idle, '30m');
  assert.equal(printed.pools.shop.affinity.length, 1);
  const again = await limpet('check', '-c', file('printed.yaml', stdout));
  assert.equal(again.status, 0, again.stderr);
});

test('a named file that cannot be read is status 2 for check and status 1 for start', async () => {
  const name = file('secret.yaml', `${VALID}sessions: { secretFile: none.txt }\n`);
  const line = `secret.yaml:3:25: sessions.secretFile: cannot read ${directory}/none.txt: there is no such file: create it, or correct the path\n`;
  assert.deepEqual(await limpet('check', '-c', name), { status: 2, stdout: '', stderr: line });
  assert.deepEqual(await limpet('start', '-c', name), { status: 1, stdout: '', stderr: line });
});

test('start refuses a bad configuration with every error and status 2', async (context) => {
  const started = await limpet('start', '-c', file('wrong.yaml', WRONG));
  assert.equal(started.status, 2);
  assert.deepEqual(started, await limpet('check', '-c', 'wrong.yaml'));
  const missing = await callLimpet(context, ['start', '-c', '/none.yaml']);
  assert.equal(missing.status, 1);
  assert.equal(missing.stderr, '/none.yaml: there is no such file: name one with -c, or write one with limpet init\n');
});

test('init writes a file that check accepts, for each preset', async (context) => {
  for (const preset of ['socketio', 'signalr', 'jsessionid', 'php', 'express', 'llm', 'bank', 'stream', null]) {
    const path = join(directory, `init-${preset}.yaml`);
    const wrote = await callLimpet(context, ['init', ...(preset === null ? [] : ['--preset', preset]), '-c', path]);
    assert.deepEqual(wrote, {
      status: 0,
      stdout: `wrote ${path}: put your backends in, then run limpet check -c ${path} and limpet start -c ${path}\n`,
      stderr: '',
    });
    assert.match(readFileSync(path, 'utf8'), /^# /);
    const checked = await callLimpet(context, ['check', '-c', path]);
    assert.deepEqual({ status: checked.status, stderr: checked.stderr }, { status: 0, stderr: '' });
  }
});

test('init never overwrites a file unasked', async (context) => {
  file('limpet.yaml', '# mine\n');
  const refused = await limpet('init');
  assert.deepEqual(refused, {
    status: 1,
    stdout: '',
    stderr: 'limpet: limpet.yaml exists already: overwrite it with --force, or name another file with -c\n',
  });
  assert.equal(readFileSync(join(directory, 'limpet.yaml'), 'utf8'), '# mine\n');
  assert.equal((await limpet('init', '--force')).status, 0);
  assert.notEqual(readFileSync(join(directory, 'limpet.yaml'), 'utf8'), '# mine\n');
  const nowhere = await callLimpet(context, ['init', '-c', '/no/such/directory.yaml']);
  assert.equal(nowhere.status, 1);
  assert.match(nowhere.stderr, /^limpet: cannot write \/no\/such\/directory.yaml: there is no such directory/);
});

test('schema prints the JSON Schema that is shipped', async () => {
  const { stdout } = await limpet('schema');
  assert.equal(stdout, readFileSync(new URL('../../config/limpet.schema.json', import.meta.url), 'utf8'));
});

test('colours are for terminals, or for those who ask', async () => {
  const name = file('valid.yaml', VALID);
  assert.doesNotMatch((await limpet('check', '-c', name)).stdout, /\x1b/);
  assert.match(
    (await runLimpet(['check', '-c', name], { cwd: directory, env: { FORCE_COLOR: '1' } })).stdout,
    /\x1b\[32m/,
  );
  assert.doesNotMatch(
    (await runLimpet(['check', '-c', name], { cwd: directory, env: { NO_COLOR: '1' } })).stdout,
    /\x1b/,
  );
});
