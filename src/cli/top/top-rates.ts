import type { BackendDocument, Document, TopLook } from './top-look.ts';

/** A rate, requests a second; null: it takes two looks, and what is new has had one. */
interface Rated {
  readonly requestsPerSecond: number | null;
}

interface RatedBackend extends BackendDocument, Rated {}

interface RatedPool extends Document, Rated {
  readonly name: string;
  readonly backends: readonly RatedBackend[];
}

/** What `limpet top` shows, and prints as JSON: documents of the admin API with rates from two looks. */
export interface TopView {
  /** Between the two looks; null: there was one. */
  readonly seconds: number | null;
  readonly status: Document & Rated;
  readonly pools: readonly RatedPool[];
  /** The busiest of those that were looked at. */
  readonly sessions: readonly (Document & Rated)[];
  /** Whether there are sessions that were not looked at. */
  readonly more: boolean;
}

/** What the lists are sorted by, the largest first; by name from a on. */
export const TOP_ORDERS = ['rate', 'sessions', 'latency', 'name'] as const;
/** One of TOP_ORDERS. */
export type TopOrder = (typeof TOP_ORDERS)[number];

/** Rates from two looks, and the lists in order. @param before null: this is the first look */
export function rate(before: TopLook | null, after: TopLook, order: TopOrder): TopView {
  const seconds = before === null ? null : Math.max(0.001, (after.at - before.at) / 1000);
  const known = new Map<string, number>();
  for (const { name, backends } of before?.pools ?? [])
    for (const { id, requests } of backends) known.set(`${name}/${id}`, requests);
  const knownSessions = new Map((before?.sessions ?? []).map(({ key, requests }) => [key, requests]));
  const perSecond = (now: unknown, then: unknown): number | null => {
    if (seconds === null || typeof now !== 'number' || typeof then !== 'number') return null;
    // Less than before: it was started again.
    return now < then ? null : round((now - then) / seconds);
  };
  const pools = after.pools.map((pool) => {
    const backends = pool.backends.map((backend) => ({
      ...backend,
      requestsPerSecond: perSecond(backend.requests, known.get(`${pool.name}/${backend.id}`)),
    }));
    backends.sort((one, other) => size(other, order) - size(one, order) || compare(String(one.id), String(other.id)));
    return { ...pool, backends, requestsPerSecond: sum(backends) };
  });
  pools.sort((one, other) => size(other, order) - size(one, order) || compare(String(one.name), String(other.name)));
  // One that was not among those looked at before may have been there.
  const sessions = after.sessions.map((session) => ({
    ...session,
    requestsPerSecond: perSecond(session.requests, knownSessions.get(session.key) ?? (after.more ? undefined : 0)),
  }));
  sessions.sort(
    (one, other) =>
      (other.requestsPerSecond ?? -1) - (one.requestsPerSecond ?? -1) ||
      numeric((other as Document).requests) - numeric((one as Document).requests),
  );
  const status = { ...after.status, requestsPerSecond: perSecond(after.status.requests, before?.status.requests) };
  return { seconds: seconds === null ? null : round(seconds), status, pools, sessions, more: after.more };
}

function size(item: Document & Rated, order: TopOrder): number {
  switch (order) {
    case 'name':
      return 0;
    case 'rate':
      return item.requestsPerSecond ?? -1;
    case 'sessions':
      return numeric(item.sessions);
    case 'latency':
      return numeric(item.latency);
  }
}

function sum(items: readonly Rated[]): number | null {
  const rates = items.map(({ requestsPerSecond }) => requestsPerSecond).filter((one) => one !== null);
  return rates.length === 0 ? null : round(rates.reduce((all, one) => all + one, 0));
}

const numeric = (value: unknown): number => (typeof value === 'number' ? value : -1);
const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
const round = (value: number): number => Math.round(value * 100) / 100;
