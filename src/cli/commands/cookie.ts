import { readFileSync } from 'node:fs';
import { COOKIE_LENGTH, issuedIn } from '../../affinity/cookie-codec.ts';
import { ago } from '../ago.ts';
import { backendName } from '../backend-name.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { CookieReader } from '../cookie-reader.ts';
import { cookieSecrets } from '../cookie-secrets.ts';
import { example } from '../example.ts';
import type { GlobalOptions } from '../global-options.ts';
import { loadOrFail } from '../load-or-fail.ts';
import { paint, printJson, printLine, printWarning } from '../output.ts';
import { type Column, formatTable } from '../table.ts';

interface CookieOptions extends GlobalOptions {
  readonly json: boolean;
}

const COOKIE = new RegExp(`^[\\w-]{${COOKIE_LENGTH}}$`);
const COLUMNS: readonly Column[] = [
  { title: '', align: 'left' },
  { title: '', align: 'left' },
];

/** `limpet cookie`: read one of limpet's own cookies, and make one. It needs the secret, and no running limpet. */
export const command: Command<CookieOptions> = {
  builder: (argv) =>
    argv
      .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document' })
      .command(
        'decode [value]',
        'Print what a cookie says, and whether it verifies',
        (decode) =>
          decode
            .positional('value', {
              type: 'string',
              describe: 'Its value, alone or as NAME=VALUE; absent: read from standard input',
            })
            .example(...example('$0 cookie decode limpet=Zk3…', 'one as the browser shows it'))
            .epilogue('Exit status 1 when it does not verify.'),
        (options) => decodeCookie(options, options.value),
      )
      .command(
        'mint <backend>',
        'Print the value of a cookie for a new session on a backend',
        (mint) =>
          mint
            .positional('backend', { type: 'string', demandOption: true, describe: 'POOL/ID' })
            .example(...example('curl -H "Cookie: limpet=$($0 cookie mint shop/a)" …', 'ask backend a'))
            .epilogue('Whoever has the value has the session: it is for support and tests.'),
        (options) => mintCookie(options, options.backend),
      )
      .demandCommand(1, 'no command: limpet cookie --help lists them')
      .strict(),
  handler: () => {},
};

function readerOf({ config: file }: CookieOptions): CookieReader {
  const { config } = loadOrFail(file);
  const reader = new CookieReader(config, cookieSecrets(config));
  if (reader.pools.size === 0)
    throw new CliError(`no pool of ${file} has a cookie of limpet's: affinity names other keys`, 1);
  return reader;
}

function decodeCookie(options: CookieOptions, given: string | undefined): void {
  const text = (given ?? readFileSync(0, 'latin1')).trim();
  // As it stands in a Cookie line; a value itself has no equals sign.
  const value = text.slice(text.lastIndexOf('=') + 1);
  if (!COOKIE.test(value)) {
    throw new CliError(
      `this is no cookie of limpet's: its value has ${COOKIE_LENGTH} characters, letters, digits, - and _, and this one is something else (${value.length} characters)`,
      1,
    );
  }
  const reader = readerOf(options);
  const found = reader.read(value);
  if (found === null) {
    const issued = new Date(issuedIn(Buffer.from(value, 'latin1')));
    const when = Number.isNaN(issued.getTime()) ? null : issued.toISOString();
    if (options.json) printJson({ verifies: false, issued: when });
    throw new CliError(
      `it does not verify: it was made with another secret or for another pool, or altered${when === null ? '' : `; it says that it was issued at ${when}`}`,
      1,
    );
  }
  const { pool, secret, fields } = found;
  const [key, ...otherKeys] = reader.keys(pool.name, value);
  const time = (ms: number): string => new Date(ms).toISOString();
  const said = {
    verifies: true,
    secret,
    pool: pool.name,
    backend: fields.backend?.id ?? null,
    key,
    otherKeys,
    began: time(fields.began),
    issued: time(fields.issued),
    endsAt: time(fields.began + pool.config.session.lifetime),
    bound: fields.binding !== 0,
  };
  if (options.json) return printJson(said);
  const now = Date.now();
  const dated = (at: string): string => `${at} (${ago(at, now)})`;
  const rows: [string, string][] = [
    ['verifies', `yes, with secret ${secret}`],
    ['pool', said.pool],
    ['backend', said.backend ?? 'none that the configuration names: removed, or found by discovery'],
    ['key', said.key!],
    ...otherKeys.map((other, at): [string, string] => ['', `${other} (of a limpet started with secret ${at + 2})`]),
    ['began', dated(said.began)],
    ['issued', dated(said.issued)],
    ['ends', dated(said.endsAt)],
    ['bound', said.bound ? 'yes, to what bindTo names' : 'no'],
  ];
  const lines = rows.map(([name, shown]) => [paint('bold', name), shown]);
  for (const line of formatTable(COLUMNS, lines, () => '').slice(1)) printLine(line);
}

function mintCookie(options: CookieOptions, given: string): void {
  const { pool: name, id } = backendName(given);
  const reader = readerOf(options);
  const found = reader.pools.get(name);
  if (found === undefined) {
    const names = [...reader.pools.keys()].join(', ');
    throw new CliError(`there is no pool ${name} that has a cookie of limpet's; these have: ${names}`, 1);
  }
  const { pool, cookie } = found;
  if (!pool.byId.has(id)) {
    if (pool.config.discovery === null) {
      const ids = pool.backends.map((backend) => backend.id).join(', ');
      throw new CliError(`pool ${name} has no backend ${id}; it has: ${ids}`, 1);
    }
    printWarning(`the configuration names no backend ${id} in pool ${name}: it has to be one that discovery finds`);
  }
  const now = Date.now();
  const value = reader.mint(pool, { id }, now);
  if (!options.json) return printLine(value);
  const [key, ...otherKeys] = reader.keys(name, value);
  printJson({ name: cookie, value, pool: name, backend: id, key, otherKeys, began: new Date(now).toISOString() });
}
