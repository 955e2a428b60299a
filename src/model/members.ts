import type { DiscoveredMember } from '../backends/discovery/discovered-member.ts';
import type { BackendConfig, Config, PoolConfig } from '../config/schema.ts';

/** The configuration with all members of its pools filled in, and where the members come from. */
interface Members {
  readonly config: Config;
  readonly departing: ReadonlySet<string>;
  readonly discovered: ReadonlySet<string>;
}

/** What members are made of. */
interface MemberSources {
  /** As written in the file. */
  readonly file: Config;
  /** The latest answer of discovery, by pool. */
  readonly found: ReadonlyMap<string, readonly DiscoveredMember[]>;
  /** The members so far; null at the start. */
  readonly before: Config | null;
  /** Whether a backend that is named no more, by `pool/id`, still serves sessions or requests. */
  readonly stays: (name: string) => boolean;
}

/**
 * Who belongs to each pool. The file comes first; a backend of discovery with the id of one of the file is that one.
 * Whoever was a member and is named by neither departs: it stays for as long as it has something to do (behaviour 44).
 */
export function resolveMembers({ file, found, before, stays }: MemberSources): Members {
  const departing = new Set<string>();
  const discovered = new Set<string>();
  const pools: Record<string, PoolConfig> = {};
  for (const [pool, config] of Object.entries(file.pools)) {
    const backends: BackendConfig[] = [...config.backends];
    const ids = new Set(backends.map(({ id }) => id));
    for (const member of found.get(pool) ?? []) {
      if (ids.has(member.id)) continue;
      ids.add(member.id);
      discovered.add(`${pool}/${member.id}`);
      backends.push(fromDiscovery(member));
    }
    const old = before?.pools[pool]?.backends ?? [];
    const leaving = old.filter(({ id }) => !ids.has(id) && stays(`${pool}/${id}`));
    for (const backend of leaving) {
      ids.add(backend.id);
      departing.add(`${pool}/${backend.id}`);
    }
    // Its sessions go to its replicas when it goes away, as long as those are there.
    for (const backend of leaving)
      backends.push({ ...backend, state: 'drain', replicas: backend.replicas.filter((id) => ids.has(id)) });
    pools[pool] = { ...config, backends };
  }
  return { config: { ...file, pools }, departing, discovered };
}

function fromDiscovery({ id, url, weight, backup }: DiscoveredMember): BackendConfig {
  return { id, url, weight, replicas: [], maxRequests: 0, state: 'ready', backup };
}
