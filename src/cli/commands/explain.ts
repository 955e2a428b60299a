import { parseArgs } from 'node:util';
import type { Argv } from 'yargs';
import { imagineRequest } from '../../proxy/explain/imagined-request.ts';
import { type AdminOptions, adminOptions } from '../admin-options.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import type { GlobalOptions } from '../global-options.ts';
import { harmless, paint, printJson, printLine } from '../output.ts';
import { type Column, formatTable } from '../table.ts';
import { withAdminClient } from '../with-admin-client.ts';

interface ExplainOptions extends AdminOptions {
  readonly url: string;
  readonly method: string;
  readonly ip: string | undefined;
}

type Document = Readonly<Record<string, unknown>>;

const COLUMNS: readonly Column[] = [
  { title: 'STEP', align: 'left' },
  { title: 'OUTCOME', align: 'left' },
  { title: 'WHY', align: 'left' },
];
/** A column of reasons that is narrower than this is not worth breaking lines for. */
const NARROWEST = 30;

/**
 * `limpet explain`: what a request would get, step by step and why, without sending it.
 *
 * `-H` and `--cookie` may be given several times, which the parser of all commands takes for the last one: the
 * arguments are looked at.
 */
export const command = (args: readonly string[]): Command<ExplainOptions> => ({
  builder,
  handler: (options) => explain(options, args),
});

function builder(argv: Argv<GlobalOptions>): Argv<ExplainOptions> {
  return adminOptions(argv)
    .positional('url', {
      type: 'string',
      demandOption: true,
      describe: 'http://host/path, https://host/path, or a path',
    })
    .option('header', {
      alias: 'H',
      type: 'string',
      requiresArg: true,
      describe: 'A header as "Name: value"; may be given several times',
    })
    .option('cookie', {
      alias: 'b',
      type: 'string',
      requiresArg: true,
      describe: 'Cookies as "name=value; name=value"; may be given several times',
    })
    .option('ip', { type: 'string', requiresArg: true, describe: 'Address that the client connects from' })
    .option('method', { alias: 'X', type: 'string', requiresArg: true, default: 'GET', describe: 'Method' })
    .example(...example('$0 explain http://shop.example/cart', 'what a visitor without a session would get'))
    .example(...example('$0 explain /cart --cookie "limpet=…" --ip 192.0.2.7', 'what this session would get'))
    .example(
      ...example(
        '$0 explain https://api.example/v1 -H "Authorization: Bearer …"',
        'what the session of this token would get',
      ),
    );
}

async function explain(options: ExplainOptions, args: readonly string[]): Promise<void> {
  const { url, method, ip, json } = options;
  const query = { method, url, headers: headersOf(args), ip: ip ?? null };
  const request = imagineRequest(query, 'localhost');
  if (typeof request === 'string') throw new CliError(request.replace(/\.$/, ''), 2);
  const document = await withAdminClient(options, (client) => client.call('POST', '/api/v1/explain', query));
  if (json) return printJson(document);
  print((document ?? {}) as Document);
}

/** All that `-H` and `--cookie` give, by name. */
function headersOf(args: readonly string[]): Record<string, string[]> {
  const { tokens } = parseArgs({
    args: [...args],
    options: { header: { type: 'string', short: 'H' }, cookie: { type: 'string', short: 'b' } },
    strict: false,
    tokens: true,
  });
  const headers = new Map<string, { readonly name: string; readonly values: string[] }>();
  const add = (name: string, value: string) => {
    const known = headers.get(name.toLowerCase());
    if (known === undefined) headers.set(name.toLowerCase(), { name, values: [value] });
    else known.values.push(value);
  };
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { name, value } = token;
    if (name === 'header') {
      const colon = value?.indexOf(':') ?? -1;
      // Not shown: it may be a token.
      if (colon < 1) throw new CliError('-H must be a header as "Name: value"', 2);
      add(value!.slice(0, colon).trim(), value!.slice(colon + 1).trim());
    } else if (name === 'cookie') {
      if (!value?.includes('=')) throw new CliError('--cookie must be cookies as "name=value; name=value"', 2);
      add('Cookie', value);
    }
  }
  return Object.fromEntries([...headers.values()].map(({ name, values }) => [name, values]));
}

function print({ steps, ...summary }: Document): void {
  if (!Array.isArray(steps))
    throw new CliError("the answer has no steps: is this limpet's admin API, and of this version?", 1);
  const rows = (steps as Document[]).map(({ step, outcome, detail }) => [step, outcome, detail].map(shown));
  const taken = widest(rows, 0, COLUMNS[0]!.title) + widest(rows, 1, COLUMNS[1]!.title) + 4;
  const room = (process.stdout.columns ?? Number.POSITIVE_INFINITY) - taken;
  const broken = rows.flatMap(([step = '', outcome = '', detail = '']) =>
    wrap(detail, room).map((line, nth) => (nth === 0 ? [step, outcome, line] : ['', '', line])),
  );
  for (const line of formatTable(COLUMNS, broken, (title) => paint('bold', title))) printLine(line);
  printLine('');
  printLine(conclusion(summary));
}

function conclusion({ outcome, pool, backend, certain, candidates, error, status, session }: Document): string {
  const named = session === null ? '' : `, session ${shown(session)}`;
  if (error !== null)
    return `${paint('red', `${shown(outcome)}: limpet answers ${shown(status)} ${shown(error)}`)}${named}`;
  const where = `of pool ${shown(pool)}`;
  const others = Array.isArray(candidates) ? (candidates as Document[]).map(({ id }) => shown(id)) : [];
  const which =
    certain === false
      ? `one of ${others.join(', ')} ${where}, ${shown(backend)} by this draw`
      : `${shown(backend)} ${where}`;
  return `${paint('green', `${shown(outcome)}: ${which}`)}${named}`;
}

function widest(rows: readonly (readonly string[])[], column: number, title: string): number {
  return Math.max(title.length, ...rows.map((row) => row[column]!.length));
}

/** The words of a text in lines of at most `width` characters, where there is room for more than a few. */
function wrap(text: string, width: number): string[] {
  if (width < NARROWEST || text.length <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length >= width) {
      lines.push(line);
      line = word;
    } else {
      line += line === '' ? word : ` ${word}`;
    }
  }
  return [...lines, line];
}

function shown(value: unknown): string {
  return value === null || value === undefined ? '-' : harmless(String(value));
}
