import type { AdminClient } from '../admin-client.ts';
import { CliError } from '../cli-error.ts';

/** A map of an answer of the admin API. */
export type Document = Readonly<Record<string, unknown>>;

/** What the admin API said at one moment. */
export interface TopLook {
  /** Monotonic, ms. */
  readonly at: number;
  readonly status: Document;
  readonly pools: readonly PoolDocument[];
  readonly sessions: readonly Document[];
  /** Whether there are sessions that were not looked at. */
  readonly more: boolean;
}

interface PoolDocument extends Document {
  readonly name: string;
  readonly backends: readonly BackendDocument[];
}

export interface BackendDocument extends Document {
  readonly id: string;
  readonly requests: number;
}

/** Sessions that are looked at: as many as one answer has. */
const SESSIONS = 1000;

/**
 * Looks once.
 * @throws CliError when limpet does not answer, or not like limpet
 */
export async function look(client: Pick<AdminClient, 'call'>, now: () => number): Promise<TopLook> {
  const [status, pools, sessions] = await Promise.all([
    client.call('GET', '/api/v1/status'),
    client.call('GET', '/api/v1/pools'),
    client.call('GET', `/api/v1/sessions?limit=${SESSIONS}`),
  ]);
  return {
    at: now(),
    status: (status ?? {}) as Document,
    pools: list(pools, 'pools') as PoolDocument[],
    sessions: list(sessions, 'sessions'),
    more: ((sessions as Document).cursor ?? null) !== null,
  };
}

function list(document: unknown, key: string): Document[] {
  const found = (document as Document | null)?.[key];
  if (!Array.isArray(found))
    throw new CliError(`the answer has no ${key}: is this limpet's admin API, and of this version?`, 1);
  return found as Document[];
}
