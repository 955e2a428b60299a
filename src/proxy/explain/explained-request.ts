import type { Head } from '../../http1/head.ts';
import { HeaderId } from '../../http1/header-id.ts';

/** Who may have a decision explained in a response: whoever carries the admin token. */
export interface ExplainAccess {
  /** Whether the value of `Authorization` carries it. */
  matches(authorization: string): boolean;
}

/**
 * The head of a request that asks for the decision and may have it, without the two fields that say so: neither a backend nor a key source ever sees the admin
 * token. Null: it may not, or does not ask with `1`; then its Authorization is the application's and stays.
 */
export function explainedRequest(head: Head, access: ExplainAccess): string | null {
  const asks = head.findId(HeaderId.limpetExplain);
  if (asks < 0 || head.value(asks) !== '1') return null;
  let allowed = false;
  for (let i = head.findId(HeaderId.authorization); i >= 0; i = head.findId(HeaderId.authorization, i + 1)) {
    allowed ||= access.matches(head.value(i));
  }
  if (!allowed) return null;
  let text = head.text.slice(0, head.fieldsStart);
  for (let i = 0; i < head.count; i++) {
    const id = head.id(i);
    if (id !== HeaderId.authorization && id !== HeaderId.limpetExplain)
      text += head.text.slice(head.nameStart(i), head.lineEnd(i));
  }
  return `${text}\r\n`;
}
