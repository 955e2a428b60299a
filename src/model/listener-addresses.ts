import { parseBind } from '../config/bind.ts';
import { listenerKeys } from '../config/listener-keys.ts';
import type { RunningModel } from './running-model.ts';

/** One listener, for people. */
interface ListenerAddress {
  /** As configured. */
  readonly bind: string;
  /** Such as `http://127.0.0.1:8080`, with the port that it really has. */
  readonly address: string;
  /** Of its counters. */
  readonly index: number;
}

/**
 * Where the listeners of a model can be reached, in the order of the configuration.
 * @param ports those they listen on, by their keys
 */
export function listenerAddresses(
  { config, listeners }: RunningModel,
  ports: ReadonlyMap<string, number>,
): ListenerAddress[] {
  const keys = listenerKeys(config.listeners);
  return config.listeners.map(({ bind, tls }, at) => {
    const key = keys[at]!;
    return { bind, address: addressOf(bind, ports.get(key) ?? 0, tls !== null), index: listeners.get(key)! };
  });
}

function addressOf(bind: string, port: number, secure: boolean): string {
  const parsed = parseBind(bind);
  if ('error' in parsed || parsed.kind === 'unix') return bind;
  return `${secure ? 'https' : 'http'}://${parsed.host.includes(':') ? `[${parsed.host}]` : parsed.host}:${port}`;
}
