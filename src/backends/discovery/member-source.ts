import type { PoolConfig } from '../../config/schema.ts';
import type { DiscoveredMember } from './discovered-member.ts';

/**
 * Where the members of pools come from besides the configuration, for as long as they are asked for. Supervisor only.
 */
export interface MemberSource {
  /**
   * Looks for the members of a pool from now on. Called again for the same pool, as after a reload, it goes on with the
   * new configuration and what has been found; `onMembers` stays the first one. Without `discovery` in the
   * configuration it stops.
   * @param config as the file has it; its `backends` win over members with their id or address
   * @param onMembers gets all members whenever one came, went or changed, never from within this call, first with the
   *   first good answer.
   * The order does not matter. Must not throw
   */
  start(pool: string, config: PoolConfig, onMembers: (members: readonly DiscoveredMember[]) => void): void;

  /** What has been found for a pool; nothing when nobody looks for it. */
  members(pool: string): readonly DiscoveredMember[];

  /**
   * Settles when the DNS has spoken about every pool, or after `ms`: a name that is not there counts, a server that
   * does not answer does not.
   */
  ready(ms: number): Promise<void>;

  /** Looks for a pool no more; nothing is reported about it from now on. */
  stop(pool: string): void;

  /** Looks for no pool any more. */
  close(): void;
}
