import { parseArgs } from 'node:util';

/** Another shop server. */
export interface ShopPeer {
  readonly id: string;
  /** `http://host:port`, without a path. */
  readonly url: string;
}

/** What one shop server is told at its start. */
export interface ShopOptions {
  readonly id: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Gets a copy of every change; null: nobody does, and a dead server takes its carts with it. */
  readonly replica: ShopPeer | null;
  /** All other servers, the replica too: shown in the panel of the page. */
  readonly peers: readonly ShopPeer[];
  /** Proves to the other servers that a request is not a visitor's. */
  readonly secret: string;
}

const ID = /^[a-z][a-z0-9-]{0,15}$/;
const USAGE =
  'usage: SHOP_SECRET=… shop-main --id a --port 9001 [--host H] [--replica b=http://127.0.0.1:9002] [--peer ID=URL]…';

/**
 * Reads the command line of a shop server. The secret comes from the environment (`SHOP_SECRET`): a command line can be
 * read by every user of the machine. Throws an Error whose message says what to do.
 */
export function parseShopOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ShopOptions {
  const { id, host, port, replica: replicaText, peer } = readArgs(args);
  if (id === undefined || !ID.test(id)) {
    throw new Error(`--id must be 1 to 16 of a-z, 0-9 and "-", beginning with a letter. ${USAGE}`);
  }
  if (port === undefined || !/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new Error(`--port must be a number from 0 to 65535 (0: any free port). ${USAGE}`);
  }
  const replica = replicaText === undefined ? null : readPeer('--replica', replicaText);
  const peers = peer.map((text) => readPeer('--peer', text));
  if (replica !== null && !peers.some((known) => known.id === replica.id)) peers.unshift(replica);
  const ids = new Set([id, ...peers.map((known) => known.id)]);
  if (ids.size !== peers.length + 1)
    throw new Error(`Each server needs an id of its own, and "${id}" is this one. ${USAGE}`);
  const secret = env.SHOP_SECRET ?? '';
  if (secret.length < 16)
    throw new Error(`SHOP_SECRET must be set to at least 16 characters, the same for all servers. ${USAGE}`);
  return { id, host: host ?? '127.0.0.1', port: Number(port), replica, peers, secret };
}

function readArgs(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        id: { type: 'string' },
        host: { type: 'string' },
        port: { type: 'string' },
        replica: { type: 'string' },
        peer: { type: 'string', multiple: true, default: [] },
      },
    });
    return { ...values, peer: values.peer ?? [] };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)} ${USAGE}`, { cause: error });
  }
}

function readPeer(option: string, text: string): ShopPeer {
  const at = text.indexOf('=');
  const id = text.slice(0, Math.max(at, 0));
  const url = URL.parse(text.slice(at + 1));
  if (!ID.test(id) || url === null || url.protocol !== 'http:' || url.pathname !== '/') {
    throw new Error(`${option} ${text}: must be ID=http://HOST:PORT, for example b=http://127.0.0.1:9002. ${USAGE}`);
  }
  return { id, url: url.origin };
}
