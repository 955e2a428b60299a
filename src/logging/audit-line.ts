import type { SessionEvent } from './session-journal.ts';

/**
 * Anything that JSON has to escape, or that is not printable ASCII (escaped too: a log line is safe in every terminal).
 */
const UNSAFE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

/**
 * The line of one event in the audit log (interface section 6): JSON with a line end, always with the same members; one
 * that the event does not have is null.
 * @param time ms since epoch
 * @param user whose session it is; null: nobody's that is known
 */
export function auditLine(event: SessionEvent, time: number, user: string | null): string {
  return (
    `{"time":"${new Date(time).toISOString()}","event":"${event.event}","key":${quote(event.key)}` +
    `,"pool":${quote(event.pool)},"backend":${quote(event.backend)},"from":${quote(event.from)}` +
    `,"reason":${quote(event.reason)},"user":${quote(user ?? '')},"client":${quote(event.client)}}\n`
  );
}

function quote(value: string): string {
  if (value === '') return 'null';
  if (!UNSAFE.test(value)) return `"${value}"`;
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
