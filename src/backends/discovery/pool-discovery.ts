import type { DnsDiscoveryConfig, PoolConfig } from '../../config/schema.ts';
import type { Logger } from '../../logging/logger.ts';
import type { Clock } from '../../timing/clock.ts';
import type { DiscoveredMember } from './discovered-member.ts';
import { lookUp } from './look-up.ts';
import type { Answer, NameResolver } from './name-resolver.ts';

/** A look-up that has not ended by then has failed, in ms. */
const TIMEOUT = 10_000;
/** Time from a look-up that failed to the next one, in ms, where `refresh` is longer. */
const RETRY = 2000;
/** Most members of one pool: an answer that is larger by mistake must not fill the shared memory. */
const MOST = 512;

/** What discovery works with. */
export interface DiscoveryParts {
  /** @param servers `discovery.dns.servers` */
  readonly resolver: (servers: readonly string[]) => NameResolver;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/**
 * Looks the members of one pool up again and again, never twice at once, each time within a tenth of `refresh`. An
 * answer that is empty or fails keeps the last good set, however old it is: a DNS server that is down says nothing
 * about the backends.
 */
export class PoolDiscovery {
  /** Settles when the DNS has spoken for the first time, or with `stop`. */
  readonly answered: Promise<void>;
  readonly #pool: string;
  readonly #parts: DiscoveryParts;
  readonly #onMembers: (members: readonly DiscoveredMember[]) => void;
  #config: PoolConfig;
  /** The last good set, with those that the configuration names too. */
  #found: readonly DiscoveredMember[] = [];
  #members: readonly DiscoveredMember[] = [];
  /** When the last good answer came; 0: there was none. */
  #goodAt = 0;
  #failing = false;
  #crowded = false;
  /** Ids that have been told as named by the configuration. */
  readonly #told = new Set<string>();
  #running: AbortController | null = null;
  #timer: unknown = null;
  #answer: () => void;

  constructor(
    pool: string,
    config: PoolConfig,
    onMembers: (members: readonly DiscoveredMember[]) => void,
    parts: DiscoveryParts,
  ) {
    this.#pool = pool;
    this.#config = config;
    this.#onMembers = onMembers;
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.answered = promise;
    this.#answer = resolve;
    this.#schedule(0);
  }

  get members(): readonly DiscoveredMember[] {
    return this.#members;
  }

  /**
   * Another configuration of the same pool: looks up at once what it says. What has been found stays until that is
   * answered.
   */
  configure(config: PoolConfig): void {
    this.stop();
    this.#config = config;
    this.#told.clear();
    this.#schedule(0);
  }

  /** Nothing is reported from now on. */
  stop(): void {
    this.#parts.clock.clear(this.#timer);
    this.#running?.abort();
    this.#running = null;
    this.#answer();
  }

  #schedule(delay: number): void {
    this.#timer = this.#parts.clock.set(() => void this.#run(), delay);
  }

  async #run(): Promise<void> {
    const { clock, random, resolver } = this.#parts;
    const dns = this.#config.discovery?.dns;
    if (dns === undefined) return;
    const running = new AbortController();
    this.#running = running;
    const limit = clock.set(() => running.abort(), TIMEOUT);
    let answer: Answer<DiscoveredMember>;
    try {
      answer = await lookUp(resolver(dns.servers), dns, this.#found, running.signal);
    } catch (error) {
      // A defect; it is told as what it looks like from outside, and the last good set stays.
      answer = { error: String(error), absent: false };
    }
    clock.clear(limit);
    if (this.#running !== running) return;
    this.#running = null;
    this.#schedule(('records' in answer ? dns.refresh : Math.min(dns.refresh, RETRY)) * (0.9 + 0.2 * random()));
    if ('records' in answer) this.#succeeded(answer.records, dns);
    else this.#failed(running.signal.aborted ? 'ETIMEOUT' : answer.error, dns);
    this.#publish();
    if ('records' in answer || answer.absent) this.#answer();
  }

  #succeeded(records: readonly DiscoveredMember[], dns: DnsDiscoveryConfig): void {
    const { log, clock } = this.#parts;
    const fields = { pool: this.#pool, name: dns.name, type: dns.type };
    if (this.#failing) {
      log.info({ ...fields, members: records.length, ...this.#age() }, 'discovery has an answer again');
    }
    const crowded = records.length > MOST;
    if (crowded && !this.#crowded) {
      log.warn(
        { ...fields, found: records.length, members: MOST },
        'discovery finds too many members: the rest is left out',
      );
    }
    this.#failing = false;
    this.#crowded = crowded;
    this.#goodAt = clock.now();
    this.#found = crowded ? fewest(records, this.#found) : records;
  }

  #failed(error: string, { name, type }: DnsDiscoveryConfig): void {
    if (this.#failing) return;
    this.#failing = true;
    const fields = { pool: this.#pool, name, type, error, members: this.#members.length, ...this.#age() };
    this.#parts.log.warn(
      fields,
      this.#goodAt === 0 ? 'discovery has no answer yet' : 'discovery has no answer: the members of the last one stay',
    );
  }

  /** How old the last good set is. */
  #age(): { ageMs?: number } {
    return this.#goodAt === 0 ? {} : { ageMs: Math.max(0, this.#parts.clock.now() - this.#goodAt) };
  }

  /**
   * Reports the members when they differ from those reported last. A backend of the configuration is not discovered a
   * second time.
   */
  #publish(): void {
    const { backends } = this.#config;
    const ids = new Map(backends.map(({ id }) => [id, id]));
    const servers = new Map(backends.map(({ id, url }) => [new URL(url).host, id]));
    const members = this.#found.filter(({ id, url }) => {
      const backend = ids.get(id) ?? servers.get(new URL(url).host);
      if (backend !== undefined && !this.#told.has(id)) {
        this.#told.add(id);
        this.#parts.log.info(
          { pool: this.#pool, backend, found: id, url },
          'discovery finds a backend that the configuration names: what is configured stands',
        );
      }
      return backend === undefined;
    });
    if (isSame(members, this.#members)) return;
    this.#members = members;
    this.#onMembers(members);
  }
}

/** As many as there may be, those that are members already before others. */
function fewest(records: readonly DiscoveredMember[], known: readonly DiscoveredMember[]): DiscoveredMember[] {
  const before = new Set(known.map(({ id }) => id));
  const kept = [...records.filter(({ id }) => before.has(id)), ...records.filter(({ id }) => !before.has(id))];
  return kept.slice(0, MOST).sort((one, other) => (one.id < other.id ? -1 : 1));
}

function isSame(one: readonly DiscoveredMember[], other: readonly DiscoveredMember[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ id, url, weight, backup }, index) => {
      const same = other[index]!;
      return id === same.id && url === same.url && weight === same.weight && backup === same.backup;
    })
  );
}
