import { startLimpet } from '../app.ts';
import { parseConfig } from '../config/load.ts';
import { demoConfig } from './demo-config.ts';
import { type FleetServer, startFleet } from './demo-fleet.ts';
import { findFreePort } from './demo-ports.ts';
import { demoText } from './demo-text.ts';

export interface DemoOptions {
  /** How many shop servers, 1 to 26: a, b, c, … */
  readonly backends: number;
  /** Of the shop, through limpet. When it is taken, the next free one; 0: any free one. */
  readonly port: number;
  /** Of the admin API, likewise. */
  readonly adminPort: number;
  /** Of the first shop server, likewise. Default 9001. */
  readonly firstShopPort?: number;
  /** ms after which a server that was killed is started again. Default 15 s. */
  readonly restartMs?: number;
  /** Gets what is to be shown, line by line or in blocks. Default: standard output. */
  readonly write?: (text: string) => void;
}

/** The running demo. */
export interface Demo {
  /** Where the shop is, without a slash at the end. */
  readonly url: string;
  /** Where the admin API is; null: limpet opened none. */
  readonly adminUrl: string | null;
  /** The shop servers; a server that was started again has another pid. */
  readonly servers: readonly FleetServer[];
  /** Ends limpet and all shop servers. */
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const FIRST_SHOP_PORT = 9001;
const RESTART_MS = 15_000;
/** Event streams never end by themselves: they are cut when the demo stops. */
const GRACE_MS = 500;

/**
 * Runs everything on this machine: shop servers that keep carts in memory and copy them to a replica, and limpet in
 * front. Says on the terminal what to try and what happens. Rejects with a clear message, and nothing left running,
 * when it cannot.
 */
export async function runDemo(options: DemoOptions): Promise<Demo> {
  const { backends, restartMs = RESTART_MS, firstShopPort = FIRST_SHOP_PORT, write = console.log } = options;
  if (!Number.isInteger(backends) || backends < 1 || backends > 26) {
    throw new Error(`The demo can have 1 to 26 backends, not ${backends}.`);
  }
  const ids = Array.from({ length: backends }, (_, index) => String.fromCharCode(97 + index));
  const fleet = await startFleet({
    ids,
    firstPort: firstShopPort,
    avoid: new Set([options.port, options.adminPort]),
    restartMs,
    onEvent: (event) => write(demoText.event(event, new Date())),
  });
  try {
    // Only now, right before they are used: whoever takes them meanwhile is passed over.
    const taken = new Set<number>();
    const port = await findFreePort(HOST, options.port, taken);
    const adminPort = await findFreePort(HOST, options.adminPort, taken);
    if (options.port !== 0 && port !== options.port) write(demoText.otherPort('the shop', options.port, port));
    if (options.adminPort !== 0 && adminPort !== options.adminPort) {
      write(demoText.otherPort('the admin API', options.adminPort, adminPort));
    }
    const loaded = parseConfig(demoConfig(HOST, port, adminPort, fleet.servers), 'demo.yaml');
    if ('errors' in loaded) throw new Error(`The demo's own configuration is wrong: ${JSON.stringify(loaded.errors)}`);
    const limpet = await startLimpet({ config: loaded.config, configFile: null });
    const url = `http://${HOST}:${port}`;
    const adminUrl = limpet.adminAddress === null ? null : `http://${HOST}:${adminPort}`;
    write(demoText.welcome(url, adminUrl, fleet.servers));
    return {
      url,
      adminUrl,
      get servers() {
        return fleet.servers;
      },
      stop: async () => {
        try {
          await limpet.stop(GRACE_MS);
        } finally {
          await fleet.stop();
        }
      },
    };
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}
