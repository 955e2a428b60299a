import { isDeepStrictEqual } from 'node:util';
import type { PoolConfig } from '../../config/schema.ts';
import type { DiscoveredMember } from './discovered-member.ts';
import { DnsResolver } from './dns-resolver.ts';
import type { MemberSource } from './member-source.ts';
import { type DiscoveryParts, PoolDiscovery } from './pool-discovery.ts';

/** Finds the members of pools in the DNS (`discovery.dns`), for as long as they are asked for. Supervisor only. */
export class DnsDiscovery implements MemberSource {
  readonly #parts: DiscoveryParts;
  readonly #pools = new Map<string, { config: PoolConfig; discovery: PoolDiscovery }>();

  constructor({
    resolver = (servers) => new DnsResolver(servers),
    ...parts
  }: Omit<DiscoveryParts, 'resolver'> & Partial<DiscoveryParts>) {
    this.#parts = { ...parts, resolver };
  }

  start(pool: string, config: PoolConfig, onMembers: (members: readonly DiscoveredMember[]) => void): void {
    if (config.discovery === null) {
      this.stop(pool);
      return;
    }
    const running = this.#pools.get(pool);
    if (running === undefined) {
      const discovery = new PoolDiscovery(pool, config, onMembers, this.#parts);
      this.#pools.set(pool, { config, discovery });
      return;
    }
    const { discovery, backends } = running.config;
    running.config = config;
    if (!isDeepStrictEqual([discovery, backends], [config.discovery, config.backends]))
      running.discovery.configure(config);
  }

  members(pool: string): readonly DiscoveredMember[] {
    return this.#pools.get(pool)?.discovery.members ?? [];
  }

  async ready(ms: number): Promise<void> {
    const { clock } = this.#parts;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = clock.set(resolve, ms);
    await Promise.race([Promise.all([...this.#pools.values()].map(({ discovery }) => discovery.answered)), late]);
    clock.clear(timer);
  }

  stop(pool: string): void {
    this.#pools.get(pool)?.discovery.stop();
    this.#pools.delete(pool);
  }

  /** The same for all pools. */
  close(): void {
    for (const pool of [...this.#pools.keys()]) this.stop(pool);
  }
}
