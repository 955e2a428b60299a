import yargs from 'yargs';
import { DEFAULT_PROXIES, PROXY_NAMES, type ProxyName, TLS_PROXIES } from './proxies/registry.ts';
import type { HeaderSet } from './request-head.ts';

/** What the benchmark was asked to do. */
export interface Options {
  readonly only: readonly ProxyName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly connections: number;
  readonly sessions: number;
  readonly body: number;
  readonly headers: HeaderSet;
  /** `handshakes`: a connection, and so a handshake, for each request. */
  readonly tls: 'off' | 'keep-alive' | 'handshakes';
  readonly load: 'autocannon' | 'wrk';
  /** Requests a second of the second part; `half`: half of what each proxy reached in the first; null: no second part. */
  readonly rate: number | 'half' | null;
  readonly pin: boolean;
  readonly source: boolean;
  readonly json: string | null;
}

/** Reads the command line. Throws an Error that says what is wrong; prints the help and ends the process on --help. */
export function parseOptions(args: readonly string[]): Options {
  const parsed = yargs(args)
    .scriptName('npm run bench --')
    .usage('CPU time per proxied request, side by side: limpet, HAProxy, nginx, http-proxy.')
    .options({
      only: { type: 'string', describe: `which, with commas: ${PROXY_NAMES.join(', ')}`, requiresArg: true },
      quick: { type: 'boolean', default: false, describe: 'about a minute: 3 rounds of 3 s' },
      rounds: { type: 'number', describe: 'measured rounds of each proxy (5)', requiresArg: true },
      seconds: { type: 'number', describe: 'length of a measured round (5)', requiresArg: true },
      warmup: { type: 'number', describe: 'seconds of load before the first round (3)', requiresArg: true },
      connections: { type: 'number', default: 64, describe: 'connections of the load', requiresArg: true },
      sessions: { type: 'number', default: 256, describe: 'distinct sessions', requiresArg: true },
      body: { type: 'number', default: 60, describe: 'bytes of each response body', requiresArg: true },
      headers: { choices: ['plain', 'browser'] as const, default: 'plain' as const, describe: 'browser: 20 as Chrome' },
      tls: {
        choices: ['off', 'keep-alive', 'handshakes'] as const,
        default: 'off' as const,
        describe: 'TLS in front (by wrk)',
      },
      load: { choices: ['autocannon', 'wrk'] as const, default: 'autocannon' as const, describe: 'load generator' },
      rate: {
        type: 'string',
        describe: 'then also at a fixed rate: half (of each one’s own), or a number',
        requiresArg: true,
      },
      pin: { type: 'boolean', default: false, describe: 'the proxy on core 0, the rest on the others (taskset)' },
      source: { type: 'boolean', default: false, describe: 'run limpet from src, without a build' },
      json: {
        type: 'string',
        describe: 'write everything to FILE; a bare name goes to bench/results/',
        requiresArg: true,
      },
    })
    .strict()
    .version(false)
    .fail((message, error) => {
      throw error ?? new Error(message);
    })
    .parseSync();
  const quick = parsed.quick;
  if (parsed.tls !== 'off' && parsed.rate !== undefined)
    throw new Error('--rate is for plain HTTP: leave out one of --tls and --rate');
  return {
    only: proxiesOf(parsed.only, parsed.tls !== 'off'),
    rounds: whole('rounds', parsed.rounds ?? (quick ? 3 : 5), 1),
    seconds: whole('seconds', parsed.seconds ?? (quick ? 3 : 5), 1),
    warmup: whole('warmup', parsed.warmup ?? (quick ? 2 : 3), 0),
    connections: whole('connections', parsed.connections, 1),
    sessions: whole('sessions', parsed.sessions, 32),
    body: whole('body', parsed.body, 1),
    headers: parsed.headers,
    tls: parsed.tls,
    load: parsed.tls === 'off' ? parsed.load : 'wrk',
    rate: parsed.rate === undefined ? null : parsed.rate === 'half' ? 'half' : whole('rate', Number(parsed.rate), 1),
    pin: parsed.pin,
    source: parsed.source,
    json: parsed.json ?? null,
  };
}

function proxiesOf(only: string | undefined, tls: boolean): readonly ProxyName[] {
  const names = only === undefined ? (tls ? TLS_PROXIES : DEFAULT_PROXIES) : only.split(',').map(proxyName);
  const plain = tls ? names.find((name) => !TLS_PROXIES.includes(name)) : undefined;
  if (plain !== undefined)
    throw new Error(`--tls: ${plain} is measured without it; choose from ${TLS_PROXIES.join(', ')}`);
  return names;
}

function proxyName(text: string): ProxyName {
  const name = PROXY_NAMES.find((candidate) => candidate === text.trim());
  if (name === undefined)
    throw new Error(`--only: there is no "${text.trim()}"; choose from ${PROXY_NAMES.join(', ')}`);
  return name;
}

function whole(option: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${option} must be a whole number of at least ${least}`);
}
