import { lookup, Resolver } from 'node:dns/promises';
import type { Answer, NameResolver, ServiceRecord } from './name-resolver.ts';

/** A server that does not answer within this time, in ms, is asked once more, with twice the time. */
const TIMEOUT = 1000;
const TRIES = 2;

/** Searches of the system that are under way: they cannot be cancelled, and hold a thread of Node's small pool each. */
const searches = new Map<string, Promise<Answer<string>>>();

/**
 * Asks the DNS (node:dns, c-ares). With `servers` nothing but them; without, those of the system, and where they have
 * no address the system itself (getaddrinfo), which knows its hosts file and search domains. Services are asked of the
 * DNS alone, by their full name.
 */
export class DnsResolver implements NameResolver {
  readonly #servers: readonly string[];

  /** @param servers `address:port`, as `discovery.dns.servers` */
  constructor(servers: readonly string[]) {
    this.#servers = servers;
  }

  async addresses(name: string, family: 4 | 6, signal: AbortSignal): Promise<Answer<string>> {
    const found = await this.#ask(signal, (resolver) =>
      family === 4 ? resolver.resolve4(name) : resolver.resolve6(name),
    );
    if ('records' in found || this.#servers.length > 0 || signal.aborted) return found;
    const local = await Promise.race([searchSystem(name, family), aborted(signal)]);
    if ('records' in local) return local;
    // A search domain that could not be asked may have the name.
    return found.absent ? local : found;
  }

  services(name: string, signal: AbortSignal): Promise<Answer<ServiceRecord>> {
    return this.#ask(signal, (resolver) => resolver.resolveSrv(name));
  }

  async #ask<T>(signal: AbortSignal, ask: (resolver: Resolver) => Promise<T[]>): Promise<Answer<T>> {
    let cancel = () => {};
    try {
      // A new one each time: resolv.conf may have changed, and what is cancelled is this question alone.
      const resolver = new Resolver({ timeout: TIMEOUT, tries: TRIES });
      if (this.#servers.length > 0) resolver.setServers(this.#servers);
      cancel = () => resolver.cancel();
      signal.addEventListener('abort', cancel);
      if (signal.aborted) return { error: 'ECANCELLED', absent: false };
      const records = await ask(resolver);
      return records.length > 0 ? { records } : { error: 'ENODATA', absent: true };
    } catch (error) {
      return refusal(error);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }
}

function searchSystem(name: string, family: 4 | 6): Promise<Answer<string>> {
  const key = `${family} ${name}`;
  const running = searches.get(key);
  if (running !== undefined) return running;
  const search = lookup(name, { all: true, family, order: 'verbatim' })
    .then((found): Answer<string> => {
      const records = found.map(({ address }) => address);
      return records.length > 0 ? { records } : { error: 'ENODATA', absent: true };
    }, refusal)
    .finally(() => searches.delete(key));
  searches.set(key, search);
  return search;
}

function aborted(signal: AbortSignal): Promise<Answer<never>> {
  return new Promise((resolve) => {
    const cancelled = () => resolve({ error: 'ECANCELLED', absent: false });
    if (signal.aborted) cancelled();
    else signal.addEventListener('abort', cancelled, { once: true });
  });
}

function refusal(error: unknown): Answer<never> {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? String(error);
  return { error: code, absent: code === 'ENOTFOUND' || code === 'ENODATA' };
}
