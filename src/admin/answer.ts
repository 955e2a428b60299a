import type { ServerResponse } from 'node:http';

/** An answer of the admin API; a body is written with its length. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Writes a body without an end in place of `body`, once the head is written. */
  readonly stream?: (response: ServerResponse) => void;
}

/** JSON that a person can read in a terminal too. */
export function json(value: unknown, status = 200): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}

/** Done, and nothing to say. */
export const NO_CONTENT: Answer = { status: 204, type: '', body: '' };
