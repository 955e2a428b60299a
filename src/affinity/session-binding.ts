import { LRUCache } from 'lru-cache';
import type { SessionConfig } from '../config/schema.ts';
import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { Key } from '../keys/key.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { BOUND_TO, bindingWord } from '../sessions/table/binding.ts';
import { clientNetwork } from './client-network.ts';
import type { StrategyContext } from './strategy.ts';

/** Clients whose hash is remembered: working it out takes microseconds. */
const CLIENTS = 4_000;
/** Longer agents are cut: nobody's browser has one. */
const LONGEST_AGENT = 1_024;
/** Bits of a client's address that count. */
const PREFIX4 = 32;
const PREFIX6 = 64;

/** What of a request's client a session can be bound to. */
interface BoundClient {
  /** Behind trusted proxies, as text; '' for one without an address. */
  readonly address: string;
  /** SHA-256 fingerprint of its verified certificate; '' when it has shown none. */
  readonly tlsIdentity: string;
}

/**
 * What the sessions of a pool must keep (`session.bindTo`), as one word (see sessions/table/binding.ts) of a hash under
 * the pool's secret: the network of the client's address (/32, /64), its agent without versions (a browser that updates
 * itself stays the same), its TLS certificate. A connection's exported keying material is not used for `tls`: a session
 * lasts longer than a connection.
 */
export class SessionBinding {
  readonly mode: SessionConfig['onBindingMismatch'];
  /** For logs: `ip user-agent`. */
  readonly names: string;
  readonly #ip: boolean;
  readonly #agent: boolean;
  readonly #tls: boolean;
  readonly #kinds: number;
  readonly #hash: KeyHash;
  readonly #key = new Key();
  #known: LRUCache<string, number> | null = null;

  /** Null: the pool's sessions are bound to nothing but their backend. */
  static of(config: SessionConfig, context: StrategyContext): SessionBinding | null {
    return config.bindTo.length === 0 ? null : new SessionBinding(config, context);
  }

  private constructor({ bindTo, onBindingMismatch }: SessionConfig, context: StrategyContext) {
    this.mode = onBindingMismatch;
    // In one order, so that the order in the file does not count.
    const names = (['ip', 'user-agent', 'tls'] as const).filter((name) => bindTo.includes(name));
    this.names = names.join(' ');
    this.#kinds = names.reduce((kinds, name) => kinds | BOUND_TO[name], 0);
    this.#ip = names.includes('ip');
    this.#agent = names.includes('user-agent');
    this.#tls = names.includes('tls');
    this.#hash = KeyHash.derive(context.keySecret ?? context.secrets[0]!, context.pool.name, 'binding', ...names);
  }

  /** The hash of a request's client: a u32, never 0. */
  hash(head: Head, client: BoundClient): number {
    const line = this.#agent ? head.findId(HeaderId.userAgent) : -1;
    const agent = line < 0 ? '' : head.text.slice(head.valueStart(line), head.valueEnd(line));
    const address = this.#ip ? client.address : '';
    const identity = this.#tls ? client.tlsIdentity : '';
    const memo = `${address}\n${identity}\n${agent}`;
    const known = this.#known?.get(memo);
    if (known !== undefined) return known;
    const network = clientNetwork(address, PREFIX4, PREFIX6) ?? address;
    const text = [network, identity, agentFamily(agent.slice(0, LONGEST_AGENT))]
      .map((part) => `${part.length}:${part}`)
      .join('');
    this.#hash.hash(text, 0, text.length, this.#key);
    const hash = bindingWord(this.#key.a, this.#kinds);
    if (agent.length <= LONGEST_AGENT) (this.#known ??= new LRUCache({ max: CLIENTS })).set(memo, hash);
    return hash;
  }
}

/** A User-Agent without versions (RFC 9110 10.1.5: product/version and comments) and other numbers. */
function agentFamily(agent: string): string {
  return agent.replace(/\/[^\s;,()]*/g, '/').replace(/\d[\d._]*/g, '');
}
