import { type Bind, isLocalBind, parseBind } from './bind.ts';
import { parseCidr, UNIX_PEERS } from './cidr.ts';
import { formatPath, type KeyPath } from './config-error.ts';
import { got } from './messages.ts';
import type { Parts, Report } from './parts.ts';

/** Checks addresses: what listens where, who may reach the admin API, whose headers are believed. */
export function checkListeners(parts: Parts, report: Report): void {
  const taken: { bind: Bind; path: KeyPath }[] = [];
  const take = (path: KeyPath, text: string): Bind | null => {
    const bind = parseBind(text);
    if ('error' in bind) {
      report.error(path, `${bind.error}, got ${got(text)}`);
      return null;
    }
    const other = taken.find((earlier) => overlap(earlier.bind, bind));
    if (other !== undefined)
      report.error(path, `${got(text)} is taken by ${formatPath(other.path)}: choose another port`);
    taken.push({ bind, path });
    return bind;
  };

  for (const [index, listener] of parts.listeners.entries()) {
    if (listener.bind !== undefined) take(['listeners', index, 'bind'], listener.bind);
    const { bind = '', proxyProtocol = 'off', h2c, tls } = listener;
    if (proxyProtocol !== 'off' && parts.trustedProxies.length === 0) {
      report.error(
        ['listeners', index, 'proxyProtocol'],
        `${got(proxyProtocol)} is believed from trustedProxies only, and there are none: name the proxies that connect here`,
      );
    } else if (proxyProtocol !== 'off' && bind.startsWith('unix:') && !parts.trustedProxies.includes(UNIX_PEERS)) {
      report.error(
        ['listeners', index, 'proxyProtocol'],
        `${got(proxyProtocol)} is believed from trustedProxies only, and behind a unix socket there is no address: add "${UNIX_PEERS}" to them`,
      );
    }
    if (h2c === true && tls !== null && tls !== undefined) {
      report.error(
        ['listeners', index, 'h2c'],
        'is for listeners without tls: behind TLS, HTTP/2 is agreed upon by alpn, so leave it out',
      );
    }
  }
  const { admin } = parts;
  if (typeof admin.bind === 'string') {
    const bind = take(['admin', 'bind'], admin.bind);
    if (bind !== null && !isLocalBind(bind) && admin.tokenFile === null) {
      report.error(
        ['admin', 'bind'],
        `${got(admin.bind)} can be reached from other machines: name a file with a bearer token in admin.tokenFile, or bind to 127.0.0.1 or unix:/path`,
      );
    }
  }
  for (const [index, text] of parts.trustedProxies.entries()) {
    if (typeof text !== 'string') continue;
    const path = ['trustedProxies', index];
    const parsed = parseCidr(text);
    if ('error' in parsed) report.error(path, `${parsed.error}, got ${got(text)}`);
    else if (parsed.cidr.endsWith('/0'))
      report.warn(path, `${got(text)} is every address: any client can then say that it is another one`);
  }
}

/** True when the second of the two could not be opened. Port 0 is a new port each time. */
function overlap(one: Bind, other: Bind): boolean {
  if (one.kind === 'unix' || other.kind === 'unix') {
    return one.kind === 'unix' && other.kind === 'unix' && one.path === other.path;
  }
  if (one.port === 0 || one.port !== other.port) return false;
  // [::] takes the IPv4 addresses too.
  const all = (host: string, against: string) => host === '::' || (host === '0.0.0.0' && !against.includes(':'));
  return one.host === other.host || all(one.host, other.host) || all(other.host, one.host);
}
