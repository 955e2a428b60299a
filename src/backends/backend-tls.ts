import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { type BackendTlsFiles, readBackendTlsFiles } from '../config/backend-tls-files.ts';
import type { PoolConfig } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';

/** What TLS to the backends of one pool is made with: `pools.NAME.tls` and what its files held when it was read. */
export class BackendTls {
  readonly config: PoolConfig['tls'];
  readonly #files: BackendTlsFiles;
  #context: SecureContext | null = null;

  private constructor(config: PoolConfig['tls'], files: BackendTlsFiles) {
    this.config = config;
    this.#files = files;
  }

  /**
   * Reads the files.
   * @param pool name, for messages
   * @throws StartError when a file cannot be used, with its key and what to do
   */
  static read(pool: string, config: PoolConfig['tls']): BackendTls {
    const problems: string[] = [];
    const files = readBackendTlsFiles(config, (key, message) => problems.push(`pools.${pool}.tls.${key}: ${message}`));
    if (files === null) throw new StartError(problems.join('; '));
    return new BackendTls(config, files);
  }

  /**
   * Reads the files again.
   * @returns this one when they hold what they held, or cannot be used right now and are the same ones: somebody is
   *   about to change them
   * @throws StartError as `read` does, when other files are named
   */
  readAgain(pool: string, config: PoolConfig['tls']): BackendTls {
    const same = isDeepStrictEqual(config, this.config);
    try {
      const now = BackendTls.read(pool, config);
      return same && isDeepStrictEqual(now.#files, this.#files) ? this : now;
    } catch (error) {
      if (same) return this;
      throw error;
    }
  }

  /** Options of tls.connect besides the address. @param alpn protocols offered, the preferred one first */
  options(alpn: readonly string[]): ConnectionOptions {
    const { ca, cert, key } = this.#files;
    const { verify, serverName } = this.config;
    // Made once: to read the system's authorities anew for each connection takes milliseconds.
    this.#context ??= createSecureContext({ ca: ca ?? undefined, cert: cert ?? undefined, key: key ?? undefined });
    return {
      secureContext: this.#context,
      rejectUnauthorized: verify,
      // Without a name Node asks for the host of the address, and holds the certificate of an address against that (RFC
      // 6066 3).
      ...(serverName === null ? {} : { servername: serverName }),
      ALPNProtocols: [...alpn],
    };
  }
}
