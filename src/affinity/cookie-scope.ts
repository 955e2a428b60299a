/** Where browsers send a cookie, by its Path and Domain (RFC 6265 sections 5.1.3 and 5.1.4). */
export class CookieScope {
  readonly #path: string;
  /** In lower case; '': the host that has set it. */
  readonly #domain: string;

  constructor(path: string, domain: string | null) {
    this.#path = path;
    this.#domain = (domain ?? '').toLowerCase();
  }

  /** @param path as it stands in the address, without query; `host` with or without port */
  has(path: string, host: string): boolean {
    return this.hasPath(path) && (this.#domain === '' || this.hasHost(nameOf(host)));
  }

  /** Whether a cookie of this path goes with a request for that one. */
  hasPath(path: string): boolean {
    const own = this.#path;
    if (own === '/' || path === own) return true;
    return path.startsWith(own) && (own.endsWith('/') || path[own.length] === '/');
  }

  /** @param name of a host, in lower case, without port; an address is the domain of nobody but itself */
  hasHost(name: string): boolean {
    const own = this.#domain;
    if (own === '' || name === own) return true;
    return name.endsWith(`.${own}`) && !/^[\d.]+$|[:\]]/.test(name);
  }
}

function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
}
