import type { z } from 'zod';
import type { Answer } from './answer.ts';

/** What a handler gets, checked already: only known query parameters, each once, and the body as the schema wants it. */
export interface RouteCall<Body> {
  /** Decoded values of the `:name` segments. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: ReadonlyMap<string, string>;
  readonly body: Body;
  /** Path of the request, for problems. */
  readonly path: string;
  /** What a listener to events heard last. */
  readonly lastEventId: string | undefined;
}

/** One method on one path of the admin API. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Segments of `:name` stand for one segment each. */
  readonly path: string;
  /** Needs no token and may be asked for under any Host: for probes. */
  readonly open: boolean;
  /** Query parameters that it knows; any other is an error. */
  readonly query: readonly string[];
  /** Shape of the JSON body; null: it has none. */
  readonly body: z.ZodType | null;
  /** Longest body that is read. */
  readonly bodyBytes: number;
  readonly handle: (call: RouteCall<unknown>) => Answer | Promise<Answer>;
}

/** Most bodies are a few keys. */
const BODY_BYTES = 64 * 1024;

type Handle<Body> = (call: RouteCall<Body>) => Answer | Promise<Answer>;

/** A route to look at something. */
export function get(path: string, handle: Handle<null>, query: readonly string[] = []): Route {
  return { method: 'GET', path, open: false, query, body: null, bodyBytes: 0, handle: handle as Handle<unknown> };
}

/** A route for probes. */
export function openGet(path: string, handle: Handle<null>): Route {
  return { ...get(path, handle), open: true };
}

/** A route that ends something. */
export function remove(path: string, handle: Handle<null>): Route {
  return {
    method: 'DELETE',
    path,
    open: false,
    query: [],
    body: null,
    bodyBytes: 0,
    handle: handle as Handle<unknown>,
  };
}

/** A route that changes something as its JSON body says. A body that may be an empty map may be left out. */
export function change<Schema extends z.ZodType>(
  method: 'POST' | 'PATCH',
  path: string,
  body: Schema,
  handle: Handle<z.output<Schema>>,
  bodyBytes = BODY_BYTES,
): Route {
  return { method, path, open: false, query: [], body, bodyBytes, handle: handle as Handle<unknown> };
}
