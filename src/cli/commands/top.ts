import type { Argv } from 'yargs';
import { parseDuration } from '../../config/duration.ts';
import type { AdminClient } from '../admin-client.ts';
import { adminOptions } from '../admin-options.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import type { GlobalOptions, OptionsOf } from '../global-options.ts';
import { paint, printJson, printLine } from '../output.ts';
import { TerminalScreen } from '../top/terminal-screen.ts';
import { topLines, topScreen } from '../top/top-lines.ts';
import { look, type TopLook } from '../top/top-look.ts';
import { rate, TOP_ORDERS, type TopOrder, type TopView } from '../top/top-rates.ts';
import { withAdminClient } from '../with-admin-client.ts';

/** A rate needs two looks; when one picture is asked for, nobody waits for it longer than this. */
const ONCE_MS = 1000;
const SHORTEST_MS = 200;
const LONGEST_MS = 3_600_000;

const builder = (argv: Argv<GlobalOptions>) =>
  adminOptions(argv)
    .option('interval', {
      type: 'string',
      requiresArg: true,
      default: '2s',
      describe: 'Time between two looks, such as 500ms or 5s; a bare number is seconds',
    })
    .option('once', { type: 'boolean', default: false, describe: 'Print one picture and end' })
    .option('sort', {
      choices: TOP_ORDERS,
      requiresArg: true,
      default: 'rate' as TopOrder,
      describe: 'What comes first',
    })
    .example(...example('$0 top', 'a live view; q or Ctrl-C leaves it'))
    .example(...example('$0 top --sort latency --interval 1s', 'the slowest backends first, every second'))
    .example(...example('$0 top --json', 'one picture with rates, for programs'))
    .epilogue('Where standard output is no terminal, and with --json, one picture is printed.');

type TopOptions = OptionsOf<typeof builder>;

/** `limpet top`: pools, backends and sessions with their rates. */
export const command: Command<TopOptions> = {
  builder,
  handler: async (options) => {
    const interval = readInterval(options.interval);
    const live = process.stdout.isTTY === true && !options.once && !options.json;
    await withAdminClient(options, (client) =>
      live ? watch(client, interval, options.sort) : once(client, Math.min(interval, ONCE_MS), options),
    );
  },
};

function readInterval(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (ms >= SHORTEST_MS && ms <= LONGEST_MS) return ms;
  throw new CliError(
    `--interval must be a duration from 200ms to 1h, such as 2s, or a number of seconds, got ${JSON.stringify(text)}`,
    2,
  );
}

async function once(client: AdminClient, ms: number, { json, sort }: TopOptions): Promise<void> {
  const before = await look(client, () => performance.now());
  await new Promise((resolve) => setTimeout(resolve, ms));
  const view = rate(before, await look(client, () => performance.now()), sort);
  if (json) return printJson({ time: new Date().toISOString(), ...view });
  for (const line of topLines(view, Date.now())) printLine(line);
}

/** Until q, Ctrl-C or a signal. A limpet that does not answer is said on the screen, and asked again. */
async function watch(client: AdminClient, interval: number, sort: TopOrder): Promise<void> {
  let view: TopView | null = null;
  let trouble = '';
  let left = false;
  let wake = (): void => {};
  const leave = (): void => {
    left = true;
    wake();
  };
  const draw = (): void => {
    const foot = paint('dim', `q leaves · every ${interval / 1000} s · sorted by ${sort}`);
    const last = trouble === '' ? foot : paint('red', trouble);
    const body = view === null ? [] : topScreen(view, Date.now(), screen.rows - 1);
    screen.draw([...body, last]);
  };
  const screen = new TerminalScreen(
    process.stdout,
    process.stdin,
    (key) => {
      if (key === 'q' || key === 'Q' || key === '\u0003') leave();
    },
    draw,
  );
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, leave);
  // Whatever ends this process, the terminal is given back.
  const restore = (): void => screen.leave();
  process.on('exit', restore);
  try {
    let before: TopLook | null = null;
    while (!left) {
      try {
        const after = await Promise.race([look(client, () => performance.now()), untilWoken()]);
        if (after === null) break;
        view = rate(before, after, sort);
        // Before there is a rate, the next look is soon.
        trouble = '';
        draw();
        await pause(before === null ? Math.min(interval, ONCE_MS) : interval);
        before = after;
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        before = null;
        trouble = error.lines.join(' ');
        draw();
        await pause(interval);
      }
    }
  } finally {
    restore();
    process.off('exit', restore);
    for (const signal of signals) process.off(signal, leave);
  }

  function untilWoken(): Promise<null> {
    return new Promise((resolve) => {
      wake = () => resolve(null);
      if (left) wake();
    });
  }

  async function pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const slept = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([slept, untilWoken()]);
    clearTimeout(timer);
  }
}
