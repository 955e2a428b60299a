import type { Argv } from 'yargs';
import { adminOptions } from '../admin-options.ts';
import { ago } from '../ago.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import type { GlobalOptions, OptionsOf } from '../global-options.ts';
import { harmless, paint, printJson, printLine } from '../output.ts';
import { type Column, formatTable } from '../table.ts';
import { withAdminClient } from '../with-admin-client.ts';

const COLUMNS: readonly Column[] = [
  { title: 'WHEN', align: 'left' },
  { title: 'KEY', align: 'left' },
  { title: 'USER', align: 'left' },
  { title: 'POOL', align: 'left' },
  { title: 'BACKEND', align: 'left' },
  { title: 'CLIENT', align: 'left' },
  { title: 'WHY', align: 'left' },
];

/** What each end means, by its event and reason. */
const WHY: Readonly<Record<string, string>> = {
  'expired idle': 'no request came for session.idle',
  'expired lifetime': 'it reached session.lifetime',
  evicted: 'the table of sessions was full (sessions.max)',
  'ended operator': 'an operator ended it (limpet sessions end, the dashboard, the API)',
  'ended application': 'the application ended it (Limpet-Session: end)',
  'ended path': 'a request for a path of session.endOn',
  'ended cookie-cleared': 'the application cleared its cookie',
  'ended lost': 'its backend was lost, and onLost is reject',
  'ended per-user-limit': 'its user began more sessions than perUser allows',
};

const builder = (argv: Argv<GlobalOptions>) =>
  adminOptions(argv)
    .positional('key', { type: 'string', describe: 'Key of the session, as limpet sessions lists it' })
    .option('user', { type: 'string', requiresArg: true, describe: 'Instead of a key: all sessions of this user' })
    .option('limit', { type: 'number', requiresArg: true, default: 20, describe: 'At most so many, 1 to 1000' })
    .example(...example('$0 why KEY', 'how this session ended'))
    .example(...example('$0 why --user anna@example.com', 'how the sessions of one user ended'))
    .epilogue('limpet keeps the last 10,000 ends since its start, with or without an audit log.');

/** `limpet why`: how a session, or those of a user, ended. */
export const command: Command<OptionsOf<typeof builder>> = {
  builder,
  handler: async (options) => {
    const { key, user, limit } = options;
    if ((key === undefined) === (user === undefined)) throw new CliError('give a key, or --user NAME', 2);
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
      throw new CliError('--limit must be a whole number from 1 to 1000', 2);
    const query = new URLSearchParams({ limit: `${limit}` });
    if (key !== undefined) query.set('key', key);
    if (user !== undefined) query.set('user', user);
    const document = (await withAdminClient(options, (client) => client.call('GET', `/api/v1/ends?${query}`))) as {
      readonly kept?: unknown;
      readonly ends?: readonly Readonly<Record<string, unknown>>[];
    } | null;
    if (options.json) return printJson(document);
    if (!Array.isArray(document?.ends))
      throw new CliError("the answer has no ends: is this limpet's admin API, and of this version?", 1);
    const { ends } = document;
    if (ends.length === 0) {
      return printLine(
        `no end of ${key === undefined ? 'a session of this user' : 'this session'} is among the last ${String(document.kept)}: it may live (limpet sessions), or have ended before`,
      );
    }
    const now = Date.now();
    const shown = (value: unknown): string => (value === null || value === undefined ? '-' : harmless(String(value)));
    const rows = ends.map(({ time, key: of, user: whose, pool, backend, client, event, reason }) => [
      `${shown(time)} (${ago(time, now)})`,
      ...[of, whose, pool, backend, client].map(shown),
      why(shown(event), reason === null ? '' : shown(reason)),
    ]);
    for (const line of formatTable(COLUMNS, rows, (title) => paint('bold', title))) printLine(line);
  },
};

function why(event: string, reason: string): string {
  const name = `${event} ${reason}`.trim();
  const meaning = WHY[name];
  return meaning === undefined ? name : `${name}: ${meaning}`;
}
