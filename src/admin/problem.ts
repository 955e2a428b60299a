import { REASON_PHRASES } from '../http1/reason-phrases.ts';
import type { Answer } from './answer.ts';

/**
 * One mistake of several, with the path of the key that it is about; one in a configuration file has its place there
 * too.
 */
export interface Mistake {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly path: string;
  readonly message: string;
}

/**
 * An error answer as RFC 9457 has it. The type is `about:blank`: the status says what kind of problem it is (section
 * 4.2.1), and `detail` what was wrong and what to do.
 * @param instance path of the request, without its query
 */
export function problem(
  status: number,
  detail: string,
  instance: string,
  headers: Readonly<Record<string, string>> = {},
  errors: readonly Mistake[] = [],
): Answer {
  const members = { type: 'about:blank', title: REASON_PHRASES[status] ?? 'Error', status, detail, instance };
  const body = JSON.stringify(errors.length === 0 ? members : { ...members, errors }, null, 2);
  return { status, type: 'application/problem+json', body: `${body}\n`, headers };
}
