import yargs from 'yargs';
import { CASES, QUICK_CASES } from './cases/registry.ts';
import { DEFAULT_PROXIES, PROXY_NAMES, type ProxyName, QUICK_PROXIES } from './proxies/registry.ts';
import { whole } from './whole.ts';

/** What the benchmark was asked to do. */
export interface Options {
  readonly cases: readonly string[];
  readonly proxies: readonly ProxyName[];
  readonly rounds: number;
  /** Of the part at a fixed rate. */
  readonly pacedRounds: number;
  readonly failoverRounds: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly connections: number;
  readonly sessions: number;
  /** Connections of the case `idle`. */
  readonly idle: number;
  /** The generator of all closed loops; null: what the case says. */
  readonly load: 'autocannon' | 'wrk' | null;
  /** Requests a second of the part at a fixed rate; `half`: half of what each proxy reached; null: no such part. */
  readonly rate: number | 'half' | null;
  readonly pin: boolean;
  readonly source: boolean;
  readonly install: boolean;
  /** Folder of the results; null: a new one in bench/results/. */
  readonly out: string | null;
}

/** Reads the command line. Throws an Error that says what is wrong; prints the help and ends the process on --help. */
export function parseOptions(args: readonly string[]): Options {
  const names = CASES.map(({ name }) => name);
  const parsed = yargs(args)
    .scriptName('npm run bench --')
    .usage('limpet next to other proxies: CPU a request, requests/s, latency, memory, time to fail over.')
    .options({
      cases: { type: 'string', describe: `with commas: ${names.join(', ')} (all)`, requiresArg: true },
      proxies: { type: 'string', describe: `with commas: ${PROXY_NAMES.join(', ')}`, requiresArg: true },
      quick: {
        type: 'boolean',
        default: false,
        describe: `under 3 minutes: 3 rounds of 1 s of ${QUICK_CASES.join(', ')} with ${QUICK_PROXIES.join(', ')}`,
      },
      rounds: { type: 'number', describe: 'measured rounds of each proxy (5)', requiresArg: true },
      seconds: { type: 'number', describe: 'length of a measured round (3)', requiresArg: true },
      warmup: { type: 'number', describe: 'seconds of load before the first round (2)', requiresArg: true },
      connections: { type: 'number', default: 64, describe: 'connections of the load', requiresArg: true },
      sessions: { type: 'number', describe: 'distinct sessions (256)', requiresArg: true },
      idle: { type: 'number', describe: 'connections of the case idle (10000)', requiresArg: true },
      load: { choices: ['autocannon', 'wrk'] as const, describe: 'one load generator for all cases' },
      rate: {
        type: 'string',
        default: 'half',
        describe: 'the part at a fixed rate: half (of what each one reached), a number, or off',
        requiresArg: true,
      },
      pin: {
        type: 'boolean',
        default: true,
        describe: 'the proxy on core 0, everything else on the others (taskset); --no-pin: as the kernel likes',
      },
      source: { type: 'boolean', default: false, describe: 'run limpet from src, without a build' },
      install: { type: 'boolean', default: true, describe: 'install missing Debian packages (as root)' },
      out: { type: 'string', describe: 'folder of the results (a new one in bench/results/)', requiresArg: true },
    })
    .strict()
    .version(false)
    .fail((message, error) => {
      throw error ?? new Error(message);
    })
    .parseSync();
  const quick = parsed.quick;
  const rounds = whole('rounds', parsed.rounds ?? (quick ? 3 : 5), 1);
  return {
    cases: parsed.cases === undefined ? (quick ? QUICK_CASES : names) : chosen('cases', parsed.cases, names),
    proxies:
      parsed.proxies === undefined
        ? quick
          ? QUICK_PROXIES
          : DEFAULT_PROXIES
        : chosen('proxies', parsed.proxies, PROXY_NAMES),
    rounds,
    pacedRounds: quick ? 1 : rounds,
    failoverRounds: quick ? 1 : rounds,
    seconds: whole('seconds', parsed.seconds ?? (quick ? 1 : 3), 1),
    warmup: whole('warmup', parsed.warmup ?? (quick ? 1 : 2), 0),
    connections: whole('connections', parsed.connections, 1),
    sessions: whole('sessions', parsed.sessions ?? (quick ? 64 : 256), 32),
    idle: whole('idle', parsed.idle ?? (quick ? 1000 : 10_000), 100),
    load: parsed.load ?? null,
    rate: rateOf(parsed.rate),
    pin: parsed.pin,
    source: parsed.source,
    install: parsed.install,
    out: parsed.out ?? null,
  };
}

function rateOf(text: string): Options['rate'] {
  if (text === 'off') return null;
  return text === 'half' ? 'half' : whole('rate', Number(text), 1);
}

function chosen<Name extends string>(option: string, text: string, names: readonly Name[]): readonly Name[] {
  const wanted = text.split(',').map((part) => {
    const name = names.find((candidate) => candidate === part.trim());
    if (name === undefined)
      throw new Error(`--${option}: there is no "${part.trim()}"; choose from ${names.join(', ')}`);
    return name;
  });
  return [...new Set(wanted)];
}
