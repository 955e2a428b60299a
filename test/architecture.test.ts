import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = globSync('src/**/*.ts', { cwd: root });

/**
 * Says for each folder what its files may import, types included: other folders, and files of src itself. From the top
 * down, as in ARCHITECTURE.md: what is found further up is imported by nothing below, but for the rooms that have rooms
 * of their own. An entry that nothing needs any more fails as one that is missing does.
 */
const MAY_IMPORT: Readonly<Record<string, string>> = {
  cli: 'cli/commands cli/top affinity keys backends config logging errors-start.ts installation.ts package-version.ts',
  'cli/commands': 'cli cli/top demo app.ts proxy/explain affinity sockets config installation.ts',
  'cli/top': 'cli',
  demo: 'app.ts config installation.ts',
  'app.ts':
    'running-limpet.ts supervisor supervisor/reload admin admin/events listeners health limits ' +
    'sessions/store sessions/persistence sessions/users sessions/table keys model backends ' +
    'backends/discovery config logging metrics tracing timing errors-start.ts package-version.ts',
  'running-limpet.ts': 'admin config',
  supervisor:
    'listeners client proxy proxy/explain upstream routing limits turns sessions/store sessions/users ' +
    'sessions/table keys model backends sockets logging metrics tracing timing errors-start.ts installation.ts',
  'supervisor/reload':
    'admin health sessions/persistence keys model backends backends/discovery config logging timing ' +
    'errors-start.ts installation.ts',
  admin:
    'admin/routes admin/events proxy/explain affinity balancing health limits turns sessions/store sessions/users ' +
    'sessions/table keys backends http1 sockets config logging metrics timing errors.ts errors-start.ts',
  'admin/routes': 'admin admin/dashboard config',
  'admin/events': 'admin health sessions/store backends config metrics',
  'admin/dashboard': 'installation.ts',
  worker:
    'supervisor listeners client client/http2 proxy upstream routing health limits turns sessions/store ' +
    'sessions/users sessions/table keys model backends sockets config logging metrics tracing timing ' +
    'errors-start.ts',
  listeners: 'client client/http2 proxy limits backends sockets config logging metrics timing errors-start.ts',
  client: 'proxy exchange upstream tunnel websocket http1 sockets config timing errors.ts errors-start.ts',
  'client/http2': 'client proxy upstream/http2 http1 config logging timing',
  proxy:
    'proxy/steps proxy/session proxy/explain exchange upstream routing affinity balancing health limits turns ' +
    'sessions/store sessions/users sessions/table keys model backends http1 logging metrics tracing timing ' +
    'errors.ts',
  'proxy/steps':
    'proxy proxy/session proxy/explain exchange routing turns sessions/store sessions/users sessions/table keys http1 logging ' +
    'metrics timing errors.ts',
  'proxy/session':
    'proxy proxy/steps exchange websocket routing affinity sessions/store sessions/table keys backends http1 ' +
    'logging metrics',
  'proxy/explain':
    'proxy proxy/steps proxy/session exchange routing affinity balancing sessions/store sessions/users ' +
    'sessions/table keys backends http1 config metrics timing errors.ts',
  exchange:
    'tunnel websocket routing affinity balancing health limits turns sessions/store sessions/users sessions/table ' +
    'keys backends http1 metrics tracing timing errors.ts',
  upstream:
    'exchange upstream/http2 tunnel websocket routing affinity balancing health limits backends http1 sockets ' +
    'config timing errors.ts',
  'upstream/http2': 'http1 sockets timing',
  tunnel: 'websocket sockets timing',
  websocket: '',
  routing: 'backends http1 config errors-start.ts',
  affinity: 'sessions/users sessions/table keys backends http1 config timing errors-start.ts',
  balancing: 'sessions/table keys backends config',
  health: 'backends config logging timing errors.ts',
  limits: 'affinity sessions/table keys config logging timing',
  turns: 'sessions/table keys',
  'sessions/store': 'sessions/store/redis sessions/users sessions/table keys backends config logging',
  'sessions/store/redis':
    'sessions/store sessions/users sessions/table keys backends config logging timing errors-start.ts',
  'sessions/persistence': 'affinity sessions/table keys backends logging timing errors-start.ts',
  'sessions/users': 'sessions/table keys backends logging',
  'sessions/table': 'keys config',
  keys: 'config errors-start.ts',
  model: 'backends backends/discovery config metrics errors-start.ts',
  backends: 'sockets config errors.ts errors-start.ts',
  'backends/discovery': 'config logging timing',
  http1: 'bytes',
  sockets: 'bytes timing',
  bytes: '',
  config: 'http1',
  logging: 'config metrics timing errors.ts errors-start.ts installation.ts',
  metrics: '',
  tracing: 'config logging metrics timing',
  timing: '',
  'errors.ts': '',
  'errors-start.ts': '',
  'installation.ts': '',
  'package-version.ts': 'installation.ts',
};

/** The folder of a file as MAY_IMPORT has it; of a file of src itself its name. */
function folderOf(file: string): string {
  const folder = dirname(file).slice('src/'.length);
  return folder === '' ? basename(file) : folder;
}

/**
 * Imports of a file: statements, `import type`, inline `type`, `export from`, `import('...')` of values and of types.
 */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const found = text.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|^import\s+)'(\.[^']+)'/gm);
  return [...new Set([...found].map((match) => join(dirname(file), match[1]!)))];
}

const imports = new Map(sources.map((file) => [file, importsOf(file)]));

test('a folder imports what MAY_IMPORT says, and all of that', () => {
  const found: Record<string, Set<string>> = {};
  for (const [file, targets] of imports) {
    const own = (found[folderOf(file)] ??= new Set());
    for (const target of targets) if (folderOf(target) !== folderOf(file)) own.add(folderOf(target));
  }
  const sorted = (entries: Iterable<[string, Iterable<string>]>) =>
    Object.fromEntries([...entries].map(([folder, list]) => [folder, [...list].sort()]));
  const may = Object.entries(MAY_IMPORT).map(([folder, list]): [string, string[]] => [folder, list.split(' ')]);
  assert.deepEqual(sorted(Object.entries(found)), sorted(may.map(([folder, list]) => [folder, list.filter(Boolean)])));
});

/** Circles of a graph: its strongly connected components of more than one node (Tarjan). */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, low.get(next)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}

test('no files import each other in a circle, types included', () => {
  assert.deepEqual(circles(imports), []);
  const known = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', ['a']],
    ['d', []],
  ]);
  assert.deepEqual(circles(known), [['a', 'b', 'c']], 'one is found');
});

/** Exports that nobody imports by a statement: an entry of its own, what the page on extending names. */
const ENTRIES = new Set(['src/cli/healthcheck.ts healthcheck', 'src/balancing/policy.ts PolicyContext']);

/** Names that `text` takes from other files, as `file name`; `file *` for all of a file. */
function namesTaken(file: string, text: string): string[] {
  const at = (target: string) => join(dirname(file), target);
  const lists = text.matchAll(/\{([^{}]*)\}\s*from\s*'(\.[^']+)'/g);
  const wholes = text.matchAll(/(?:\*(?:\s+as\s+\w+)?\s+from\s*|\bimport\s*\(\s*)'(\.[^']+)'/g);
  return [
    ...[...lists].flatMap(([, list, target]) =>
      list!.split(',').map(
        (name) =>
          `${at(target!)} ${name
            .trim()
            .replace(/^type /, '')
            .split(' as ')[0]!}`,
      ),
    ),
    ...[...wholes].map(([, target]) => `${at(target!)} *`),
  ];
}

test('what a file of src exports another file imports', () => {
  const files = globSync('{src,test,bench,scripts}/**/*.{ts,js}', { cwd: root });
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
  const taken = new Set([...texts].flatMap(([file, text]) => namesTaken(file, text)));
  const unused: string[] = [];
  for (const [file, text] of texts) {
    if (!file.startsWith('src/') || taken.has(`${file} *`)) continue;
    for (const [, name] of text.matchAll(
      /^export (?:abstract |async )*(?:const|function|class|interface|type) (\w+)/gm,
    ))
      if (!taken.has(`${file} ${name!}`) && !ENTRIES.has(`${file} ${name!}`)) unused.push(`${file} ${name!}`);
  }
  assert.deepEqual(unused, [], 'drop the word export, or what is of no use');
});

test('H1: one file blames backends for what becomes of requests, and probes do for what becomes of them', () => {
  const blames = /recordFailure\(|setLastError\(|outlier\??\.record\(|failures\.note\(/;
  const known = ['src/backends/shared-state.ts', 'src/health/monitor.ts', 'src/proxy/blame.ts'];
  const found = sources.filter((file) => blames.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(found.sort(), known);
});

test('a file of more than 400 lines says at its head why, and none has more than 600', () => {
  for (const file of sources) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n');
    assert.ok(lines.length <= 601, `${file} has ${lines.length - 1} lines: take out what has a name of its own`);
    if (lines.length > 401)
      assert.match(
        lines.slice(0, 25).join('\n'),
        /Longer than 400 lines because /,
        `${file} has ${lines.length} lines`,
      );
  }
});

test('lines of comments have at most 120 characters', () => {
  const isComment = /^\s*(?:\/\/|\/?\*)/;
  const long = sources.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, at) => (line.length > 120 && isComment.test(line) ? [`${file}:${at + 1}`] : [])),
  );
  assert.deepEqual(long, []);
});
