import type { Head } from '../../http1/head.ts';
import { HeaderId } from '../../http1/header-id.ts';

/** Who may have a decision explained in a response: whoever carries the admin token. */
export interface ExplainAccess {
  /** Whether the value of `Authorization` carries it. */
  matches(authorization: string): boolean;
}

/** Whether a request asks for the decision. */
export function asksToExplain(head: Head): boolean {
  const asks = head.findId(HeaderId.limpetExplain);
  return asks >= 0 && head.value(asks) === '1';
}

/**
 * The head of a request that carries the admin token, without it and without the field that asks for the decision:
 * neither a backend nor a key source ever sees that token, whether it is asked for anything or not. Null: it does not
 * carry it, and its Authorization is the application's and stays.
 */
export function withoutAdminToken(head: Head, access: ExplainAccess): string | null {
  let found = false;
  // All of them, so that it takes the same time wherever the token stands.
  for (let i = head.findId(HeaderId.authorization); i >= 0; i = head.findId(HeaderId.authorization, i + 1)) {
    if (access.matches(head.value(i))) found = true;
  }
  if (!found) return null;
  let text = head.text.slice(0, head.fieldsStart);
  for (let i = 0; i < head.count; i++) {
    const id = head.id(i);
    if (id !== HeaderId.authorization && id !== HeaderId.limpetExplain)
      text += head.text.slice(head.nameStart(i), head.lineEnd(i));
  }
  return `${text}\r\n`;
}
