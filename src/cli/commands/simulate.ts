import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Argv } from 'yargs';
import { whyUnreadable } from '../../config/files.ts';
import { type AdminOptions, adminOptions } from '../admin-options.ts';
import { backendName } from '../backend-name.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { changesTable } from '../config-changes.ts';
import { example } from '../example.ts';
import type { GlobalOptions } from '../global-options.ts';
import { harmless, paint, printJson, printLine } from '../output.ts';
import { type Column, formatTable } from '../table.ts';
import { withAdminClient } from '../with-admin-client.ts';

interface SimulateOptions extends AdminOptions {
  readonly drain: string | undefined;
  readonly restarted: string | undefined;
}

/** A table of a million sessions is gone through. */
const SIMULATE_MS = 120_000;

const COLUMNS: readonly Column[] = [
  { title: 'POOL', align: 'left' },
  { title: 'FROM', align: 'left' },
  { title: 'TO', align: 'left' },
  { title: 'SESSIONS', align: 'right' },
  { title: 'REASON', align: 'left' },
  { title: 'WHEN', align: 'left' },
];
const WHEN: Readonly<Record<string, string>> = {
  now: 'at their next request',
  'when-it-goes': 'when the backend goes away',
};

/**
 * `limpet simulate`: which sessions would move, before it is done.
 *
 * Here `--config` is the other configuration and `-c` the one of the running limpet, as with every command; the parser
 * knows them as one option, so the arguments are looked at.
 */
export const command = (args: readonly string[]): Command<SimulateOptions> => ({
  builder,
  handler: (options) => simulate(options, givenConfigs(args)),
});

function builder(argv: Argv<GlobalOptions>): Argv<SimulateOptions> {
  return adminOptions(argv)
    .option('drain', {
      type: 'string',
      requiresArg: true,
      describe: 'POOL/ID: as if this backend had drained and gone',
    })
    .option('restarted', {
      type: 'string',
      requiresArg: true,
      describe: 'POOL/ID: as if the process of this backend was restarted now',
    })
    .example(...example('$0 simulate --drain shop/a', 'where the sessions of backend a of pool shop would go'))
    .example(...example('$0 simulate --config new.yaml', 'what a reload with this file would do'))
    .epilogue(
      '--config FILE is the configuration to simulate; -c FILE names, as with every command, the one of the running limpet.',
    );
}

/** What `--config` and `-c` name; undefined where they are not given. */
function givenConfigs(args: readonly string[]): {
  readonly other: string | undefined;
  readonly running: string | undefined;
} {
  const { tokens } = parseArgs({
    args: [...args],
    options: { config: { type: 'string', short: 'c' } },
    strict: false,
    tokens: true,
  });
  const named = (raw: string) =>
    tokens.findLast((token) => token.kind === 'option' && token.rawName === raw && typeof token.value === 'string');
  const value = (raw: string) => (named(raw) as { value?: string } | undefined)?.value;
  return { other: value('--config'), running: value('-c') };
}

async function simulate(options: SimulateOptions, { other, running }: ReturnType<typeof givenConfigs>): Promise<void> {
  const { drain, restarted, json } = options;
  if ([drain, restarted, other].filter((wish) => wish !== undefined).length !== 1) {
    throw new CliError(
      'give one of --drain POOL/ID, --restarted POOL/ID and --config FILE; -c names the file of the running limpet',
      2,
    );
  }
  const named = drain ?? restarted;
  if (named !== undefined) backendName(named);
  const query = other !== undefined ? { config: readText(other) } : drain !== undefined ? { drain } : { restarted };
  // The two differ in what a reload can change, which the address of the admin API is not.
  const own = running ?? (other === undefined || existsSync('limpet.yaml') ? 'limpet.yaml' : other);
  const document = await withAdminClient({ ...options, config: own }, (client) =>
    client.call('POST', '/api/v1/simulate', query, {
      timeoutMs: SIMULATE_MS,
      ...(other === undefined ? {} : { file: other }),
    }),
  );
  if (json) return printJson(document);
  print(document);
}

function print(document: unknown): void {
  const { total, moves, changes } = (document ?? {}) as Readonly<Record<string, unknown>>;
  if (!Array.isArray(moves) || typeof total !== 'number')
    throw new CliError("the answer has no moves: is this limpet's admin API, and of this version?", 1);
  if (Array.isArray(changes)) {
    const lines = changesTable(changes);
    for (const line of lines.length === 0 ? ['the configuration would not change'] : lines) printLine(line);
    printLine('');
  }
  if (total === 0) return printLine('no session would move');
  for (const line of formatTable(COLUMNS, (moves as Record<string, unknown>[]).map(row), (title) =>
    paint('bold', title),
  ))
    printLine(line);
  printLine(`${total} session${total === 1 ? '' : 's'} would move or be lost`);
}

function row({ pool, from, to, sessions, reason, when }: Readonly<Record<string, unknown>>): string[] {
  const shown = (value: unknown) => harmless(String(value));
  return [
    shown(pool),
    shown(from),
    to === null ? paint('red', 'nowhere (503)') : shown(to),
    shown(sessions),
    shown(reason),
    WHEN[String(when)] ?? shown(when),
  ];
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const why = error instanceof TypeError ? 'it is not UTF-8 text' : whyUnreadable(error);
    throw new CliError(`cannot read ${file}: ${why}`, 2);
  }
}
