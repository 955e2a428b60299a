import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { callLimpet } from './call-limpet.ts';
import { runLimpet } from './run-limpet.ts';

const COMMANDS = [
  ['start'],
  ['demo'],
  ['check'],
  ['init'],
  ['schema'],
  ['backends'],
  ['backends', 'drain'],
  ['reload'],
  ['simulate'],
  ['sessions'],
  ['sessions', 'list'],
  ['cookie', 'decode'],
  ['cookie', 'mint'],
  ['top'],
  ['why'],
] as const;

test('each command explains itself on standard output, with an example', async (context) => {
  for (const command of COMMANDS) {
    const { status, stdout, stderr } = await callLimpet(context, [...command, '--help']);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' }, command.join(' '));
    assert.match(stdout, /Options:/);
    assert.match(stdout, /Examples:/, command.join(' '));
    assert.match(stdout, /--config/);
  }
});

test('U9: the commands of examples are whole, on a terminal of 80 characters too', async (context) => {
  const { columns } = process.stdout;
  process.stdout.columns = 80;
  context.after(() => {
    process.stdout.columns = columns;
  });
  for (const command of COMMANDS) {
    const { stdout } = await callLimpet(context, [...command, '--help']);
    const examples = stdout.split('Examples:\n')[1]!.split('\n\n')[0]!.split('\n');
    for (const line of examples.filter((one) => one !== '')) assert.match(line, /^ {2}(?:limpet |curl |# )/, stdout);
  }
});

test('U9: completion knows commands, options, and the pools and backends of the file', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-completion-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'own.yaml');
  const pool = (port: number) =>
    `{ backends: [{ id: a, url: "http://127.0.0.1:${port}" }, { id: b2, url: "http://127.0.0.1:${port + 1}" }] }`;
  writeFileSync(
    file,
    `listeners: [{ bind: "127.0.0.1:1" }]\nroutes: [{ pool: shop }, { pool: api }]\npools:\n  shop: ${pool(2)}\n  api: ${pool(4)}\n`,
  );
  const complete = async (...words: string[]) =>
    (await callLimpet(context, ['--get-yargs-completions', 'limpet', ...words])).stdout
      .split('\n')
      .filter((line) => line !== '');
  assert.deepEqual(await complete('backends', 'drain', '-c', file, ''), ['shop/a', 'shop/b2', 'api/a', 'api/b2']);
  assert.deepEqual(await complete('-c', file, 'cookie', 'mint', 'api/'), ['api/a', 'api/b2']);
  assert.deepEqual(await complete('sessions', 'list', '-c', file, '--pool', 's'), ['shop']);
  assert.deepEqual(await complete('sessions', 'list', '-c', file, '--backend', ''), ['a', 'b2']);
  // What yargs completes by itself ends the process.
  const known = (await runLimpet(['--get-yargs-completions', 'limpet', 'backends', ''])).stdout.split('\n');
  assert.ok(known.includes('maintenance') && known.includes('weight'), known.join());
});

test('U8: check takes the file as its argument, and other commands say how they are told', async (context) => {
  const file = new URL('../../config/limpet.yaml', import.meta.url).pathname;
  assert.match((await callLimpet(context, ['check', file])).stdout, /^valid: .*limpet\.yaml \(/);
  assert.match((await callLimpet(context, ['check', '/none.yaml'])).stderr, /^\/none\.yaml: there is no such file/);
  for (const command of ['start', 'reload']) {
    const { status, stderr } = await callLimpet(context, [command, 'other.yaml']);
    assert.deepEqual(
      { status, stderr },
      { status: 2, stderr: 'limpet: a configuration file is named with -c: -c other.yaml\n' },
    );
  }
});

test('the version is the one of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  assert.deepEqual(await runLimpet(['--version']), { status: 0, stdout: `${version}\n`, stderr: '' });
});

test('completion is a shell script that names limpet', async () => {
  const { status, stdout } = await runLimpet(['completion']);
  assert.equal(status, 0);
  assert.match(stdout, /complete .*limpet/);
});

test('bad usage is status 2 and one line on standard error that says what to do', async (context) => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^limpet: no command: limpet --help lists them$/],
    [['strat'], /^limpet: no such command\. Did you mean start\?/],
    [['frobnicate'], /^limpet: unknown command: frobnicate; --help/],
    [['check', '--prnt'], /^limpet: unknown argument: prnt; --help/],
    [['check', '-c'], /^limpet: not enough arguments following: c; --help/],
    [['start', '--log-level', 'loud'], /Choices: "trace"/],
    [['start', '--workers', 'many'], /^limpet: --workers must be auto or a whole number from 1 to 256, got "many"$/],
    [['start', '--workers', '0'], /--workers must be/],
    [['demo', '--port', 'x'], /^limpet: --port must be a whole number from 0 to 65535$/],
    [['demo', '--backends', '0'], /--backends must be a whole number from 1 to 26/],
    [['init', '--preset', 'cobol'], /Choices: "socketio"/],
    [['backends', 'drain'], /^limpet: an argument is missing; --help says which$/],
    [['backends', 'drain', 'shop'], /^limpet: a backend is named POOL\/ID, such as shop\/a, not "shop"/],
    [['backends', 'drain', 'shop/a', '--deadline', '5m'], /^limpet: --deadline is for --wait: give both$/],
    [
      ['backends', 'drain', 'shop/a', '--wait', '--deadline', 'soon'],
      /^limpet: --deadline must be a duration such as 30s or 5m, got "soon"$/,
    ],
    [['backends', 'drain', 'shop/a/b', '--wait'], /^limpet: a backend is named POOL\/ID/],
    [['backends', 'ready', 'shop/a', '--wait'], /^limpet: unknown argument: wait/],
    [['reload', 'now'], /^limpet: unknown/],
    [['simulate'], /^limpet: give one of --drain POOL\/ID, --restarted POOL\/ID and --config FILE/],
    [['simulate', '-c', 'limpet.yaml'], /^limpet: give one of --drain/],
    [['simulate', '--drain', 'shop/a', '--config', 'new.yaml'], /^limpet: give one of --drain/],
    [['simulate', '--drain', 'a'], /^limpet: a backend is named POOL\/ID, such as shop\/a, not "a"/],
    [['simulate', '--config', '/none.yaml'], /^limpet: cannot read \/none.yaml: there is no such file/],
    [['backends', 'dran', 'shop/a'], /^limpet: unknown/],
    [['sessions', 'list', '--limit', '0'], /--limit must be/],
    [['sessions', 'list', '--admin', 'nowhere'], /--admin has to be http:\/\/host:port or unix:\/path/],
  ];
  for (const [args, message] of wrong) {
    const { status, stdout, stderr } = await callLimpet(context, args);
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' }, `${args.join(' ')}: ${stderr}`);
    assert.equal(stderr.split('\n').length, 2, stderr);
    assert.match(stderr.trimEnd(), message);
  }
});

test('the exit status and the streams of the process are those of the command', async () => {
  const ended = await runLimpet(['strat']);
  assert.deepEqual(ended, {
    status: 2,
    stdout: '',
    stderr: 'limpet: no such command. Did you mean start? limpet --help lists all\n',
  });
});
