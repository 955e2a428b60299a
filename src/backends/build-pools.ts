import type { BackendConfig, Config, PoolConfig } from '../config/schema.ts';
import type { Backend } from './backend.ts';
import { BackendLife } from './backend-life.ts';
import { nameHash } from './name-hash.ts';
import type { Pool } from './pool.ts';
import { allocateSharedState, SharedLayout } from './shared-layout.ts';
import type { SlotAssignment } from './slots.ts';

/** What a reload keeps of the pools besides their slots. */
interface PoolPlaces {
  /** Index of each pool by name, the same for as long as limpet runs: rows and counters hold it. */
  readonly indices?: ReadonlyMap<string, number>;
  /** `pool/id` of the backends that are in the configuration no more and serve the sessions they have. */
  readonly departing?: ReadonlySet<string>;
  /** Where the lives of the backends are counted; absent: each is in its first one. */
  readonly layout?: SharedLayout;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * The running model of the pools, which each thread builds for itself from plain data that crosses postMessage.
 *
 * `slots` holds the assignment by `pool/id`. Pools and backends come in the order of the configuration; without
 * `indices`, `Pool.index` is the place in it. Throws when a slot or a replica is missing, which the checks of the
 * configuration rule out.
 */
export function buildPools(
  config: Config,
  slots: ReadonlyMap<string, SlotAssignment>,
  { indices, departing = NONE, layout = firstLives(slots) }: PoolPlaces = {},
): Pool[] {
  return Object.entries(config.pools).map(([name, poolConfig], place) =>
    buildPool(name, indices?.get(name) ?? place, poolConfig, slots, departing, layout),
  );
}

/** For a model that no traffic runs by. */
function firstLives(slots: ReadonlyMap<string, SlotAssignment>): SharedLayout {
  const last = Math.max(0, ...Array.from(slots.values(), ({ slot }) => slot));
  const layout = new SharedLayout(allocateSharedState(1, last + 1));
  layout.life.fill(1);
  return layout;
}

function buildPool(
  name: string,
  index: number,
  config: PoolConfig,
  slots: ReadonlyMap<string, SlotAssignment>,
  departing: ReadonlySet<string>,
  layout: SharedLayout,
): Pool {
  // Replicas may point at each other, so they are filled in when all backends exist.
  const replicasOf = new Map<string, Backend[]>();
  const backends = config.backends.map((entry) => {
    const assignment = slots.get(`${name}/${entry.id}`);
    if (assignment === undefined) throw new Error(`backend ${name}/${entry.id} has no slot`);
    const replicas: Backend[] = [];
    replicasOf.set(entry.id, replicas);
    const life = new BackendLife(layout, assignment.slot, assignment.generation);
    return buildBackend(name, index, entry, assignment, life, replicas, departing.has(`${name}/${entry.id}`));
  });

  const byId = new Map(backends.map((backend) => [backend.id, backend]));
  for (const entry of config.backends) {
    for (const id of entry.replicas) {
      const replica = byId.get(id);
      if (replica === undefined) throw new Error(`replica ${id} of backend ${name}/${entry.id} is not in the pool`);
      replicasOf.get(entry.id)!.push(replica);
    }
  }

  // Filled to the last slot: an array with holes is slower to read.
  const bySlot = new Array<Backend | undefined>(1 + Math.max(-1, ...backends.map(({ slot }) => slot))).fill(undefined);
  for (const backend of backends) bySlot[backend.slot] = backend;
  return { name, index, config, backends, byId, bySlot };
}

function buildBackend(
  pool: string,
  poolIndex: number,
  entry: BackendConfig,
  { slot, generation, since = 0 }: SlotAssignment,
  life: BackendLife,
  replicas: readonly Backend[],
  departing: boolean,
): Backend {
  return {
    id: entry.id,
    pool,
    poolIndex,
    slot,
    generation,
    life,
    since,
    departing,
    ...placeOf(entry.url),
    url: entry.url,
    backup: entry.backup,
    maxRequests: entry.maxRequests,
    replicas,
    hash: nameHash(`${pool}/${entry.id}`),
  };
}

function placeOf(text: string): Pick<Backend, 'host' | 'port' | 'socketPath' | 'secure' | 'authority'> {
  if (text.startsWith('unix:')) {
    return { host: '', port: 0, socketPath: text.slice('unix:'.length), secure: false, authority: 'localhost' };
  }
  const url = new URL(text);
  const secure = url.protocol === 'https:';
  return {
    // Node connects to an IPv6 address without its brackets.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    socketPath: null,
    secure,
    // Without the default port, as RFC 9110 section 4.2.3 normalizes it.
    authority: url.host,
  };
}
