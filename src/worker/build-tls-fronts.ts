import { isDeepStrictEqual } from 'node:util';
import { listenerKeys } from '../config/listener-keys.ts';
import { TlsFront, type TlsFrontParts } from '../listeners/tls-front.ts';
import type { RunningModel } from '../model/running-model.ts';

/**
 * The TLS side of each listener that has one, by its key. Where nothing has changed since `before` it stays the same
 * one.
 * @throws StartError when certificates cannot be used
 */
export function buildTlsFronts(
  model: RunningModel,
  ticketKeys: Uint8Array,
  before: ReadonlyMap<string, TlsFront>,
): Map<string, TlsFront> {
  const { listeners } = model.config;
  const fronts = new Map<string, TlsFront>();
  for (const [at, key] of listenerKeys(listeners).entries()) {
    const { bind, tls } = listeners[at]!;
    const material = model.tls.get(key);
    if (tls === null || material === undefined) continue;
    const parts: TlsFrontParts = { bind, tls, material, ticketKeys };
    const old = before.get(key);
    fronts.set(key, old !== undefined && isDeepStrictEqual(old.parts, parts) ? old : new TlsFront(parts));
  }
  return fronts;
}
