import type { ListenerConfig } from './schema.ts';

/** What tells the listeners of a configuration apart across reloads: the address. Several with port 0 are numbered. */
export function listenerKeys(listeners: readonly Pick<ListenerConfig, 'bind'>[]): string[] {
  const seen = new Map<string, number>();
  return listeners.map(({ bind }) => {
    const nth = (seen.get(bind) ?? 0) + 1;
    seen.set(bind, nth);
    return nth === 1 ? bind : `${bind} #${nth}`;
  });
}
