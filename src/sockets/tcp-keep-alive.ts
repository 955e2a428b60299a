/**
 * Options of node:net for a connection whose other end TCP asks for a sign of life after `ms` without a byte (RFC 9293
 * 3.8.4), then each second, ten times: without it nobody ever hears of one that has vanished. 0: never.
 */
export function tcpKeepAlive(ms: number): { readonly keepAlive: boolean; readonly keepAliveInitialDelay: number } {
  return { keepAlive: ms > 0, keepAliveInitialDelay: Math.max(ms, 1_000) };
}
