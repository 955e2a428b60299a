import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiAnswer, ShopApi } from './shop-api.ts';
import { readJsonBody } from './shop-body.ts';
import { PRODUCTS } from './shop-catalog.ts';
import { ShopError } from './shop-error.ts';
import type { ShopEvents } from './shop-events.ts';
import { shopInternal } from './shop-internal.ts';
import { sendJson } from './shop-json.ts';
import type { PageFile } from './shop-page.ts';
import type { ServerStatus, ShopPeers } from './shop-peers.ts';
import type { ShopSessions } from './shop-sessions.ts';

/** The parts of a shop server that its routes lead to. */
interface ShopParts {
  readonly id: string;
  readonly secret: string;
  readonly api: ShopApi;
  readonly events: ShopEvents;
  readonly peers: ShopPeers;
  readonly sessions: ShopSessions;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly status: () => ServerStatus;
}

/** Answers one request; `name` is the last part of the path where the route has one. Throws a ShopError to refuse. */
type Handler = (request: IncomingMessage, response: ServerResponse, name: string) => Promise<void> | void;

const ITEM = '/api/cart/';
const CSP = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** One handler for all requests of a shop server: routes by method and path, and says no where nothing fits. */
export function shopRoutes(shop: ShopParts): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const visitorRoutes = new Map([...apiRoutes(shop), ...pageRoutes(shop)]);
  const internalRoutes = new Map(internalHandlers(shop));

  return async (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    // A visitor who guesses an internal path reads what any wrong path gives.
    const isInternal = path.startsWith(shopInternal.prefix) && shopInternal.isAllowed(request, shop.secret);
    const table = isInternal ? internalRoutes : visitorRoutes;
    const route = path.startsWith(ITEM) ? ITEM : path;
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const handler = table.get(`${method} ${route}`);
    if (handler !== undefined) return handler(request, response, decode(path.slice(route.length)));
    const allowed = [...table.keys()].filter((key) => key.endsWith(` ${route}`)).map((key) => key.split(' ', 1)[0]);
    if (allowed.length === 0) throw new ShopError(404, 'not-found', `There is nothing at ${path.slice(0, 100)}.`);
    const allow = allowed.join(', ');
    throw new ShopError(405, 'method-not-allowed', `${path.slice(0, 100)} knows ${allow}.`, { allow });
  };
}

function apiRoutes(shop: ShopParts): [string, Handler][] {
  const { id, api } = shop;
  const visitor = (answer: (request: IncomingMessage, name: string) => Promise<ApiAnswer>): Handler => {
    return async (request, response, name) => {
      const { body, headers } = await answer(request, name);
      sendJson(response, 200, body, headers);
    };
  };
  return [
    ['GET /healthz', (_request, response) => sendJson(response, 200, { server: id, status: 'ok' })],
    ['GET /api/state', visitor((request) => api.state(request))],
    ['POST /api/cart', visitor((request) => api.addToCart(request))],
    [`DELETE ${ITEM}`, visitor((request, item) => api.removeFromCart(request, item))],
    ['POST /api/login', visitor((request) => api.logIn(request))],
    ['POST /api/checkout', visitor((request) => api.checkOut(request))],
    ['POST /api/logout', visitor((request) => api.logOut(request))],
    [
      'GET /api/products',
      async (request, response) => {
        await api.passBy(request);
        sendJson(response, 200, { server: id, products: PRODUCTS });
      },
    ],
    [
      'GET /api/servers',
      async (request, response) => {
        await api.passBy(request);
        const { pid, sessions, copies } = shop.status();
        const servers = [{ id, up: true, pid, sessions, copies }, ...shop.peers.list()];
        servers.sort((left, right) => (left.id < right.id ? -1 : 1));
        sendJson(response, 200, { server: id, servers });
      },
    ],
    [
      'GET /api/events',
      async (request, response) => {
        if (request.method === 'HEAD')
          throw new ShopError(405, 'method-not-allowed', 'A stream has no HEAD.', { allow: 'GET' });
        await api.passBy(request);
        shop.events.open(response);
      },
    ],
  ];
}

function pageRoutes(shop: ShopParts): [string, Handler][] {
  return [...shop.files].map(([path, file]) => [
    `GET ${path}`,
    async (request, response) => {
      const isPage = path === '/';
      const headers = isPage ? await shop.api.enter(request) : {};
      if (!isPage) await shop.api.passBy(request);
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      response.setHeader('content-security-policy', CSP);
      response.setHeader('cache-control', isPage ? 'no-store' : 'no-cache');
      if (!isPage) response.setHeader('etag', file.etag);
      if (!isPage && request.headers['if-none-match'] === file.etag) {
        response.writeHead(304).end();
        return;
      }
      response.writeHead(200, { 'content-type': file.type, 'content-length': file.body.length }).end(file.body);
    },
  ]);
}

function internalHandlers(shop: ShopParts): [string, Handler][] {
  return [
    [`GET ${shopInternal.statusPath}`, (_request, response) => sendJson(response, 200, shop.status())],
    [
      `POST ${shopInternal.copyPath}`,
      async (request, response) => {
        const copies = shopInternal.readCopies(await readJsonBody(request, shopInternal.maxBatchBytes));
        if (copies === null) throw new ShopError(422, 'bad-copy', '"copies" must be a list of {id, version, state}.');
        const taken = copies.filter((copy) => shop.sessions.apply(copy)).length;
        sendJson(response, 200, { boot: shop.status().boot, taken, older: copies.length - taken });
      },
    ],
  ];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ShopError(400, 'bad-path', 'The path is not valid percent-encoding.');
  }
}
