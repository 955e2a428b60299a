import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';

/** The `Limpet-Backend` field of a response that has one; of several lines, as one (RFC 9110 5.3). */
export function bootField(head: Head): string {
  const first = head.findId(HeaderId.limpetBackend);
  let text = head.value(first);
  for (let i = first; (i = head.findId(HeaderId.limpetBackend, i + 1)) >= 0; ) text += `, ${head.value(i)}`;
  return text;
}
