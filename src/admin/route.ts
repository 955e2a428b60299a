import * as z from 'zod';
import type { Answer } from './answer.ts';

/** What a handler gets, checked already: the query and the body as the schemas of the route want them. */
interface RouteCall<Query, Body> {
  /** Decoded values of the `:name` segments. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** Path of the request, for problems. */
  readonly path: string;
  /** Id of the last event that a listener has heard. */
  readonly lastEventId: string | undefined;
}

/** One method on one path of the admin API. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Segments of `:name` stand for one segment each. */
  readonly path: string;
  /** What it does, as a sentence for the description of the API. */
  readonly summary: string;
  /** Needs no token and may be asked for under any Host: for probes. */
  readonly open: boolean;
  /** Shape of the query: any other parameter is an error. */
  readonly query: z.ZodObject;
  /** Shape of the JSON body; null: it has none. */
  readonly body: z.ZodType | null;
  /** Longest body that is read. */
  readonly bodyBytes: number;
  /** Shape of the JSON answer, or the media type of another one; null: it is empty. */
  readonly answer: z.ZodType | string | null;
  /** Statuses of the problems that it answers with besides those that any route may have. */
  readonly problems: readonly number[];
  readonly handle: (call: RouteCall<unknown, unknown>) => Answer | Promise<Answer>;
}

type Handle<Query, Body> = (call: RouteCall<Query, Body>) => Answer | Promise<Answer>;
/** What a route says of itself. */
type About = Pick<Route, 'summary' | 'answer'> & { readonly problems?: readonly number[] };

/** Most bodies are a few keys. */
const BODY_BYTES = 64 * 1024;
const NO_QUERY = z.strictObject({});

/** Makes a route to look at something. */
export function get<Query extends z.ZodObject = typeof NO_QUERY>(
  path: string,
  about: About & { readonly query?: Query },
  handle: Handle<z.output<Query>, null>,
): Route {
  return { ...bodyless('GET', path, about, handle), query: about.query ?? NO_QUERY };
}

/** Makes a route for probes. */
export function openGet(path: string, about: About, handle: Handle<unknown, null>): Route {
  return { ...bodyless('GET', path, about, handle), open: true };
}

/** Makes a route that ends something. */
export function remove(path: string, about: About, handle: Handle<unknown, null>): Route {
  return bodyless('DELETE', path, about, handle);
}

/** Makes a route that changes something as its JSON body says. A body that may be an empty map may be left out. */
export function change<Body extends z.ZodType>(
  method: 'POST' | 'PATCH',
  path: string,
  about: About & { readonly body: Body; readonly bodyBytes?: number },
  handle: Handle<unknown, z.output<Body>>,
): Route {
  const { body, bodyBytes = BODY_BYTES } = about;
  return { ...bodyless(method, path, about, handle as Handle<unknown, unknown>), body, bodyBytes };
}

function bodyless<Query, Body>(
  method: Route['method'],
  path: string,
  { summary, answer, problems = [] }: About,
  handle: Handle<Query, Body>,
): Route {
  return {
    method,
    path,
    summary,
    open: false,
    query: NO_QUERY,
    body: null,
    bodyBytes: 0,
    answer,
    problems,
    handle: handle as Route['handle'],
  };
}
