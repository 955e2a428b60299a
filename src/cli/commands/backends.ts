import type { Argv } from 'yargs';
import { parseDuration } from '../../config/duration.ts';
import { type AdminOptions, adminOptions } from '../admin-options.ts';
import { ago } from '../ago.ts';
import { backendName } from '../backend-name.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import { lastError } from '../last-error.ts';
import { harmless, paint, printJson, printLine } from '../output.ts';
import { type Column, formatTable } from '../table.ts';
import { withAdminClient } from '../with-admin-client.ts';

interface StateOptions extends AdminOptions {
  readonly backend: string;
}

interface DrainOptions extends StateOptions {
  readonly wait: boolean;
  readonly deadline: string | undefined;
}

const MOST_WEIGHT = 65_535;

type Document = Readonly<Record<string, unknown>>;

const STATES = {
  drain: {
    does: 'Give a backend no new sessions; those it has stay',
    done: 'drains: it gets no new sessions, those it has stay',
  },
  ready: { does: 'Give a backend new sessions again', done: 'is ready: it gets new sessions' },
  maintenance: {
    does: 'Take a backend out; its sessions move to others',
    done: 'is in maintenance: its sessions move to others',
  },
} as const;

const COLUMNS: readonly Column[] = [
  { title: 'BACKEND', align: 'left' },
  { title: 'STATE', align: 'left' },
  { title: 'HEALTH', align: 'left' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'ACTIVE', align: 'right' },
  { title: 'SESSIONS', align: 'right' },
  { title: 'REQUESTS', align: 'right' },
  { title: 'FAILURES', align: 'right' },
  { title: 'LATENCY', align: 'right' },
  { title: 'CHANGED', align: 'left' },
  { title: 'LAST ERROR', align: 'left' },
  { title: 'URL', align: 'left' },
];

/** `limpet backends`: see them, and say which take sessions. */
export const command: Command<AdminOptions> = {
  builder: (argv) => {
    let commands = adminOptions(argv)
      .command(
        ['list', '$0'],
        'List the backends of a running limpet',
        (list) => list,
        (options) => listBackends(options),
      )
      .command(
        'drain <backend>',
        STATES.drain.does,
        (argument) => drainOptions(argument),
        (options) => drain(options),
      );
    for (const state of ['ready', 'maintenance'] as const) {
      commands = commands.command(
        `${state} <backend>`,
        STATES[state].does,
        (argument) => stateOptions(argument, state),
        (options) => setState(options, state),
      );
    }
    return commands
      .command(
        'weight <backend> <weight>',
        'Set the share of new sessions that a backend gets, until the next reload that changes it',
        (argument) =>
          stateOptions(argument, 'weight', '5').positional('weight', {
            type: 'string',
            demandOption: true,
            describe: 'Whole number from 0 (no new sessions) to 65535',
          }),
        (options) => setWeight(options, options.weight),
      )
      .command(
        'restarted <backend>',
        'Say that the process of a backend was restarted; its sessions move to a replica that has their state',
        (argument) => stateOptions(argument, 'restarted'),
        (options) => restarted(options),
      )
      .strict()
      .example(...example('$0 backends', 'list them with state, health and sessions'))
      .example(...example('$0 backends drain shop/a', 'no new sessions for backend a of pool shop'))
      .example(...example('$0 backends drain shop/a --wait --deadline 5m', 'and wait until it is empty'))
      .example(...example('$0 backends ready shop/a', 'new sessions again'));
  },
  handler: () => {},
};

function stateOptions(argv: Argv<AdminOptions>, command: string, more = ''): Argv<StateOptions> {
  return argv
    .positional('backend', { type: 'string', demandOption: true, describe: 'POOL/ID' })
    .example(...example(`$0 backends ${command} shop/a ${more}`.trimEnd(), 'backend a of pool shop'));
}

function drainOptions(argv: Argv<AdminOptions>): Argv<DrainOptions> {
  return stateOptions(argv, 'drain')
    .option('wait', {
      type: 'boolean',
      default: false,
      describe: 'Wait until the backend has no session and no request left',
    })
    .option('deadline', {
      type: 'string',
      requiresArg: true,
      describe: 'With --wait: move the sessions that are left after this time, such as 30s or 5m',
    })
    .example(...example('$0 backends drain shop/a --wait --deadline 5m', 'and move the rest after five minutes'))
    .epilogue(
      'With --wait: exit status 0 when nothing is left. Ctrl-C ends the wait alone: the backend goes on draining.',
    );
}

async function drain(options: DrainOptions): Promise<void> {
  const { wait, deadline: text } = options;
  if (!wait) {
    if (text !== undefined) throw new CliError('--deadline is for --wait: give both', 2);
    return setState(options, 'drain');
  }
  const deadline = text === undefined ? null : parseDuration(text);
  if (Number.isNaN(deadline)) {
    throw new CliError(`--deadline must be a duration such as 30s or 5m, got ${JSON.stringify(text)}`, 2);
  }
  const { drainAndWait } = await import('./drain.ts');
  await drainAndWait(options, options.backend, deadline);
}

async function listBackends(options: AdminOptions): Promise<void> {
  const document = await withAdminClient(options, (client) => client.call('GET', '/api/v1/pools'));
  if (options.json) return printJson(document);
  const rows: string[][] = [];
  for (const pool of documents(document, 'pools')) {
    for (const backend of documents(pool, 'backends')) rows.push(row(`${pool.name}/${backend.id}`, backend));
  }
  for (const line of formatTable(COLUMNS, rows, (title) => paint('bold', title))) printLine(line);
}

function row(name: string, backend: Document): string[] {
  const shown = (value: unknown) => (value === null || value === undefined ? '-' : harmless(String(value)));
  const { health, latency } = backend;
  // One that is taken out of the file drains too, and then it goes.
  const state = backend.departing === true && backend.state === 'drain' ? 'departing' : backend.state;
  return [
    harmless(name),
    state === 'ready' ? shown(state) : paint('yellow', shown(state)),
    health === 'up' ? paint('green', 'up') : health === 'down' ? paint('red', 'down') : shown(health),
    shown(backend.weight),
    shown(backend.activeRequests),
    shown(backend.sessions),
    shown(backend.requests),
    shown(backend.failures),
    typeof latency === 'number' ? `${latency.toFixed(1)}ms` : '-',
    ago(backend.lastChange, Date.now()),
    lastError(backend, Date.now()),
    shown(backend.url),
  ];
}

async function setState(options: StateOptions, state: keyof typeof STATES): Promise<void> {
  const { pool, id, path } = backendName(options.backend);
  const document = await withAdminClient(options, (client) => client.call('PATCH', path, { state }));
  if (options.json) printJson(document ?? { pool, id, state });
  else printLine(`${pool}/${id} ${STATES[state].done}`);
}

async function setWeight(options: StateOptions, text: string): Promise<void> {
  const { pool, id, path } = backendName(options.backend);
  const weight = Number(text);
  if (!/^\d+$/.test(text) || weight > MOST_WEIGHT) {
    throw new CliError(`the weight must be a whole number from 0 to ${MOST_WEIGHT}, got ${JSON.stringify(text)}`, 2);
  }
  const document = await withAdminClient(options, (client) => client.call('PATCH', path, { weight }));
  if (options.json) printJson(document ?? { pool, id, weight });
  else if (weight === 0) printLine(`${pool}/${id} has weight 0: it gets no new sessions, those it has stay`);
  else printLine(`${pool}/${id} has weight ${weight}: new sessions go by it from here on`);
}

async function restarted(options: StateOptions): Promise<void> {
  const { pool, id, path } = backendName(options.backend);
  const document = await withAdminClient(options, (client) => client.call('POST', `${path}/restarted`));
  if (options.json) printJson(document ?? { pool, id });
  else printLine(`${pool}/${id} begins another life: sessions that it had go to a replica that has their state`);
}

/** The maps of a list in an answer. */
function documents(document: unknown, key: string): Document[] {
  const list = (document as Document | null)?.[key];
  if (!Array.isArray(list))
    throw new CliError(`the answer has no ${key}: is this limpet's admin API, and of this version?`, 1);
  return list;
}
