/** One SRV record (RFC 2782). */
export interface ServiceRecord {
  /** Host name of the server. */
  readonly name: string;
  readonly port: number;
  /** The lowest is asked first. */
  readonly priority: number;
  readonly weight: number;
}

/** What was found, at least one; or why not, such as `ENOTFOUND` or `ETIMEOUT`. */
export type Answer<T> =
  | { readonly records: readonly T[] }
  | {
      readonly error: string;
      /** True: the DNS has spoken and knows none. False: nobody could say. */
      readonly absent: boolean;
    };

/** Looks names up. Never rejects, and ends soon after `signal` has been aborted. */
export interface NameResolver {
  addresses(name: string, family: 4 | 6, signal: AbortSignal): Promise<Answer<string>>;
  services(name: string, signal: AbortSignal): Promise<Answer<ServiceRecord>>;
}
