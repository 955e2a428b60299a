import { isIP } from 'node:net';
import { parseBackendUrl } from './backend-url.ts';
import { got } from './messages.ts';
import type { PoolParts, Report } from './parts.ts';

/** Checks how the backends of a pool are spoken to: TLS, and what does not go with a unix socket. */
export function checkBackendTls(pool: PoolParts, report: Report): void {
  const { ca, cert, key, serverName, verify } = pool.tls;
  const path = [...pool.path, 'tls'];
  if (cert !== null && cert !== undefined && key === null) {
    report.error([...path, 'cert'], 'needs its private key: name the file in tls.key');
  }
  if (key !== null && key !== undefined && cert === null) {
    report.error([...path, 'key'], 'needs its certificate: name the file in tls.cert');
  }
  if (typeof serverName === 'string' && isIP(serverName) !== 0) {
    report.error(
      [...path, 'serverName'],
      `${got(serverName)} is an address: servers are asked for by name (RFC 6066); leave it out to hold the certificate against the address`,
    );
  }
  if (verify === false) {
    report.warn(
      [...path, 'verify'],
      typeof ca === 'string'
        ? 'false: the certificates of tls.ca are not looked at, and anybody in between can read along'
        : 'false: any certificate will do, so that anybody in between can read along; name the right one in tls.ca instead',
    );
  }
  const urls = pool.backends.flatMap(({ url }) => (url === undefined ? [] : [parseBackendUrl(url)]));
  const secure = urls.some((url) => 'kind' in url && url.kind === 'tcp' && url.secure);
  const named = [ca, cert, key, serverName].some((value) => typeof value === 'string') || verify === false;
  if (named && !secure && urls.every((url) => 'kind' in url)) {
    report.warn(path, 'does nothing: no backend of this pool has an https:// url');
  }
  if (typeof pool.active?.port === 'number') {
    for (const [index, url] of urls.entries()) {
      if (!('kind' in url) || url.kind !== 'unix') continue;
      report.error(
        [...pool.path, 'health', 'active', 'port'],
        `a unix socket has no port: leave it out, or probe backends[${index}] in a pool of its own`,
      );
      break;
    }
  }
}
