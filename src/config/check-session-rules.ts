import { checkPathPattern } from './check-routes.ts';
import type { Parts, PoolParts, Report } from './parts.ts';

/** Checks what is asked of the sessions of a pool: whether there is anything that it could be done to. */
export function checkSessionRules({ path, session, affinity }: PoolParts, parts: Parts, report: Report): void {
  const at = [...path, 'session'];
  const { bindTo = [], onBindingMismatch, rotateOn = [], endOn = [] } = session;
  for (const [key, triggers] of Object.entries({ rotateOn, endOn })) {
    for (const [index, trigger] of triggers.entries())
      if (trigger?.path) checkPathPattern(trigger.path, [...at, key, index, 'path'], report);
  }
  if (affinity.length === 0) {
    for (const [key, asked] of Object.entries({ bindTo, rotateOn, endOn })) {
      if (asked.length > 0)
        report.warn([...at, key], 'does nothing: a pool with affinity: [] has no sessions; name a key there', 'key');
    }
  } else if (rotateOn.length > 0 && !affinity.some((strategy) => strategy === undefined || strategy.by === 'cookie')) {
    report.warn(
      [...at, 'rotateOn'],
      'does nothing: limpet can exchange its own cookie only, and the pool has none; add { by: cookie } to affinity, or let the application change its key after a log-in',
      'key',
    );
  }
  if (bindTo.includes('tls') && !parts.listeners.some(({ tls }) => tls?.clientCa)) {
    report.warn(
      [...at, 'bindTo'],
      'tls binds to the certificate of the client, and no listener asks for one: name a clientCa in listeners[].tls, or leave tls out',
      'key',
    );
  }
  if (bindTo.length === 0 && onBindingMismatch !== undefined && onBindingMismatch !== 'observe') {
    report.warn(
      [...at, 'onBindingMismatch'],
      'does nothing without bindTo: say there what a session must keep, such as bindTo: [user-agent]',
      'key',
    );
  }
}
