import type { AffinityConfigOf } from '../config/schema.ts';
import type { Head } from '../http1/head.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { clientNetwork } from './client-network.ts';
import { type AffinityStrategy, Find, type FoundKey, KEY_SOURCES, type StrategyContext } from './strategy.ts';

/**
 * The network that the client's address lies in (behaviour 16). An IPv4-mapped IPv6 address counts as the IPv4 address
 * it holds. A client without an address (a unix socket) has no key.
 */
export class IpAffinity implements AffinityStrategy {
  readonly source = 'ip';
  readonly by = KEY_SOURCES.indexOf('ip');
  readonly owned = false;
  readonly verifies = false;
  readonly files = [];
  readonly issuer = null;
  readonly userOf = null;
  readonly learn = null;

  readonly #prefix4: number;
  readonly #prefix6: number;
  readonly #hash: KeyHash;

  constructor(config: AffinityConfigOf<'ip'>, context: StrategyContext) {
    this.#prefix4 = config.prefix4;
    this.#prefix6 = config.prefix6;
    const secret = context.keySecret ?? context.secrets[0]!;
    this.#hash = KeyHash.derive(secret, context.pool.name, 'ip', `${config.prefix4}`, `${config.prefix6}`);
  }

  find(_head: Head, client: string, nth: number, found: FoundKey): Find {
    if (nth > 0 || client === '') return Find.none;
    if (found.strategy === this && found.text === client) return Find.found;
    const network = clientNetwork(client, this.#prefix4, this.#prefix6);
    if (network === null) return Find.invalid;
    this.#hash.hash(network, 0, network.length, found.key);
    found.strategy = this;
    found.text = client;
    return Find.found;
  }
}
