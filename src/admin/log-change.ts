import type { Logger } from '../logging/logger.ts';
import type { AdminChange } from './admin-change.ts';

/** Writes what an operator changed to the log. */
export function logChange(log: Logger, change: AdminChange): void {
  const { kind, ...fields } = change;
  log.info(
    fields,
    {
      backend: 'backend changed by an operator',
      'backend-evacuated': 'backend evacuated by an operator',
      'session-ended': 'session ended by an operator',
      'session-moved': 'session moved by an operator',
    }[kind],
  );
}
