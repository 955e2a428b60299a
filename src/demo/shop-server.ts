import { randomUUID } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ShopApi } from './shop-api.ts';
import { ShopError } from './shop-error.ts';
import { ShopEvents } from './shop-events.ts';
import { sendJson } from './shop-json.ts';
import type { ShopOptions } from './shop-options.ts';
import { readShopPage } from './shop-page.ts';
import { ShopPeers } from './shop-peers.ts';
import { ShopReplica } from './shop-replica.ts';
import { shopRoutes } from './shop-routes.ts';
import { ShopSessions } from './shop-sessions.ts';
import { ShopVisits } from './shop-visit.ts';

/** A running shop server. */
export interface ShopServer {
  readonly port: number;
  /** Ends it without waiting for anybody. */
  close(): Promise<void>;
}

/** Longer than a load balancer keeps its connections, so that it never sends into one that closes just now. */
const KEEP_ALIVE_MS = 75_000;
const REQUEST_MS = 30_000;
const SWEEP_MS = 30_000;

/**
 * Starts a shop server: sessions and carts in memory, each change copied to the replica before the visitor is answered.
 * `now` is the clock (ms since the epoch). Rejects with the error of `listen` when the port cannot be had.
 */
export async function startShopServer(options: ShopOptions, now: () => number = Date.now): Promise<ShopServer> {
  const { id, secret } = options;
  const boot = randomUUID();
  const sessions = new ShopSessions(now);
  const replica = options.replica === null ? null : new ShopReplica(options.replica, secret, sessions);
  const api = new ShopApi(id, sessions, new ShopVisits(id, sessions, now), replica, now);
  const events = new ShopEvents(id);
  const peers = new ShopPeers(options.peers, secret, (peer, status) => {
    if (peer !== replica?.id) return;
    if (status === null) replica.gone();
    else replica.seen(status.boot);
  });
  const status = () => ({ id, pid: process.pid, boot, ...sessions.counts() });
  const answer = shopRoutes({ id, secret, api, events, peers, sessions, files: readShopPage(), status });

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MS }, (request, response) => {
    response.setHeader('x-shop-server', id);
    // Tells limpet that this is another process than the one before, which had the sessions.
    response.setHeader('limpet-backend', `boot="${boot}"`);
    response.setHeader('x-content-type-options', 'nosniff');
    response.on('error', () => {}); // The visitor left: nobody to tell.
    answer(request, response).catch((error: unknown) => {
      if (!(error instanceof ShopError)) console.error(`shop ${id}: ${request.method} ${request.url}:`, error);
      refuse(id, response, error);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  peers.start();
  const sweeper = setInterval(() => sessions.sweep(), SWEEP_MS).unref();

  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        clearInterval(sweeper);
        events.close();
        peers.close();
        replica?.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuse(server: string, response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known =
    error instanceof ShopError ? error : new ShopError(500, 'internal', 'Something went wrong in the shop.');
  sendJson(response, known.status, { server, error: { code: known.code, message: known.message } }, known.headers);
}
