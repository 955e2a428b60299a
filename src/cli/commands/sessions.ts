import { type AdminOptions, adminOptions } from '../admin-options.ts';
import { ago } from '../ago.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import { harmless, paint, printJson, printLine } from '../output.ts';
import { type Column, formatTable } from '../table.ts';
import { withAdminClient } from '../with-admin-client.ts';

interface ListOptions extends AdminOptions {
  readonly pool: string | undefined;
  readonly backend: string | undefined;
  readonly user: string | undefined;
  readonly limit: number;
}

type Document = Readonly<Record<string, unknown>>;

/** Characters of a name in the list. */
const LONGEST_NAME = 40;
/** Rows of one answer; a longer list is fetched in pieces. */
const PAGE = 1000;

const COLUMNS: readonly Column[] = [
  { title: 'KEY', align: 'left' },
  { title: 'POOL', align: 'left' },
  { title: 'BACKEND', align: 'left' },
  { title: 'BY', align: 'left' },
  { title: 'USER', align: 'left' },
  { title: 'REQUESTS', align: 'right' },
  { title: 'MOVES', align: 'right' },
  { title: 'LAST SEEN', align: 'left' },
  { title: 'ENDS', align: 'left' },
];

/** `limpet sessions`: see them, end them, move them. */
export const command: Command<AdminOptions> = {
  builder: (argv) =>
    adminOptions(argv)
      .command(
        ['list', '$0'],
        'List the sessions of a running limpet',
        (list) =>
          list
            .option('pool', { type: 'string', requiresArg: true, describe: 'Of this pool only' })
            .option('backend', { type: 'string', requiresArg: true, describe: 'On the backend with this id only' })
            .option('user', { type: 'string', requiresArg: true, describe: 'Of this user only' })
            .option('limit', { type: 'number', requiresArg: true, default: 100, describe: 'At most so many' })
            .example(...example('$0 sessions list --pool shop --backend a', 'the sessions on backend a of pool shop')),
        (options) => listSessions(options),
      )
      .command(
        'show <key>',
        'Show one session',
        (show) => show.positional('key', { type: 'string', demandOption: true, describe: 'KEY of the list' }),
        (options) => showSession(options, options.key),
      )
      .command(
        'end <key>',
        'End one session: its next request begins a new one',
        (end) => end.positional('key', { type: 'string', demandOption: true, describe: 'KEY of the list' }),
        (options) => endSession(options, options.key),
      )
      .command(
        'move <key> <backend>',
        'Move one session to another backend of its pool',
        (move) =>
          move
            .positional('key', { type: 'string', demandOption: true, describe: 'KEY of the list' })
            .positional('backend', { type: 'string', demandOption: true, describe: 'Id of the backend' }),
        (options) => moveSession(options, options.key, options.backend),
      )
      .strict()
      .example(...example('$0 sessions --limit 10', 'ten sessions'))
      .example(...example('$0 sessions show KEY --json', 'one session as JSON'))
      .example(...example('$0 sessions move KEY b', 'move it to backend b')),
  handler: () => {},
};

async function listSessions(options: ListOptions): Promise<void> {
  const { pool, backend, user, limit } = options;
  if (!Number.isInteger(limit) || limit < 1) throw new CliError('--limit must be a whole number from 1', 2);
  const sessions: Document[] = [];
  const filtered = pool !== undefined || backend !== undefined || user !== undefined;
  let cursor: unknown = null;
  let total: unknown = null;
  await withAdminClient(options, async (client) => {
    do {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries({ pool, backend, user }))
        if (value !== undefined) query.set(name, value);
      query.set('limit', String(Math.min(PAGE, limit - sessions.length)));
      if (cursor !== null) query.set('cursor', String(cursor));
      const document = (await client.call('GET', `/api/v1/sessions?${query}`)) as Document | null;
      if (!Array.isArray(document?.sessions)) {
        throw new CliError("the answer has no sessions: is this limpet's admin API, and of this version?", 1);
      }
      sessions.push(...(document.sessions as Document[]));
      cursor = document.cursor ?? null;
    } while (cursor !== null && sessions.length < limit);
    if (cursor !== null && !filtered && !options.json)
      total = ((await client.call('GET', '/api/v1/status')) as Document | null)?.sessions;
  });
  if (options.json) return printJson({ sessions, cursor });
  if (sessions.length === 0) {
    return printLine(filtered ? 'no session is like that' : 'there are no sessions');
  }
  const now = Date.now();
  for (const line of formatTable(
    COLUMNS,
    sessions.map((session) => row(session, now)),
    (title) => paint('bold', title),
  ))
    printLine(line);
  if (cursor !== null) {
    const more = filtered || typeof total !== 'number' ? 'and more' : `${sessions.length} of ${total}`;
    printLine(paint('dim', `${more}: --limit ${limit * 10} shows them`));
  }
}

function shown(value: unknown): string {
  return value === null || value === undefined ? '-' : harmless(String(value));
}

/** A name in a table, without pushing what stands behind it out of sight; `sessions show` has it whole. */
function shortened(name: string): string {
  const characters = [...name];
  return characters.length <= LONGEST_NAME ? name : `${characters.slice(0, LONGEST_NAME - 1).join('')}…`;
}

function row(session: Document, now: number): string[] {
  const { key, pool, backend, by, user, requests, moves, lastSeen } = session;
  return [
    ...[key, pool, backend, by].map(shown),
    shortened(shown(user)),
    ...[requests, moves].map(shown),
    ago(lastSeen, now),
    ago(nextEnd(session), now),
  ];
}

/** A session ends at the earlier of its two limits. */
function nextEnd({ idleExpiresAt, endsAt }: Document): unknown {
  const time = (value: unknown) => new Date(value as string | number).getTime();
  return time(idleExpiresAt) < time(endsAt) ? idleExpiresAt : endsAt;
}

const pathOf = (key: string) => `/api/v1/sessions/${encodeURIComponent(key)}`;

async function showSession(options: AdminOptions, key: string): Promise<void> {
  const document = await withAdminClient(options, (client) => client.call('GET', pathOf(key)));
  if (options.json) return printJson(document);
  const rows = Object.entries((document ?? {}) as Document).map(([name, value]) => [paint('bold', name), shown(value)]);
  const columns: Column[] = [
    { title: '', align: 'left' },
    { title: '', align: 'left' },
  ];
  for (const line of formatTable(columns, rows, () => '').slice(1)) printLine(line);
}

async function endSession(options: AdminOptions, key: string): Promise<void> {
  const document = await withAdminClient(options, (client) => client.call('DELETE', pathOf(key)));
  if (options.json) printJson(document ?? { key, ended: true });
  else printLine(`ended ${harmless(key)}: its next request begins a new session`);
}

async function moveSession(options: AdminOptions, key: string, backend: string): Promise<void> {
  const document = await withAdminClient(options, (client) => client.call('POST', `${pathOf(key)}/move`, { backend }));
  if (options.json) printJson(document ?? { key, backend });
  else printLine(`moved ${harmless(key)} to ${harmless(backend)}`);
}
