/** Names of fields about one connection, which HTTP/2 does not have (RFC 9113 8.2.2), and of Host, which it has as :authority. */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
