import { HeaderId } from './header-id.ts';

/**
 * Fields about one connection (RFC 9110 section 7.6.1): no proxy passes them on, and HTTP/2 has none of them (RFC 9113
 * section 8.2.2) but `TE: trailers`. Which of the others about authentication and trailers go on depends on the way.
 */
const FIELDS = {
  connection: HeaderId.connection,
  'http2-settings': HeaderId.http2Settings,
  'keep-alive': HeaderId.keepAlive,
  'proxy-connection': HeaderId.proxyConnection,
  te: HeaderId.te,
  'transfer-encoding': HeaderId.transferEncoding,
  upgrade: HeaderId.upgrade,
};

/** Names of fields about one connection, in lower case. */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set(Object.keys(FIELDS));

/** The same by HeaderId. */
export const CONNECTION_FIELD_IDS: readonly number[] = Object.values(FIELDS);
