import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';

/**
 * Schemes that say who is at the other end of a connection, not who has sent a request (RFC 4559 section 6, MS-NTHT):
 * what follows on it needs no proof any more. In a list of challenges each scheme stands at the beginning or behind a
 * comma.
 */
const SCHEMES = /(?:^|,)[ \t]*(?:ntlm|negotiate|nego2|kerberos)(?:[ \t,]|$)/i;

const N = 'n'.charCodeAt(0);
const K = 'k'.charCodeAt(0);

/** Whether a request brings such a proof, or a part of one. Usually one look at a number. */
export function bringsConnectionAuth(head: Head): boolean {
  if (!head.has(HeaderId.authorization) && !head.has(HeaderId.proxyAuthorization)) return false;
  return isSchemeOf(head, HeaderId.authorization) || isSchemeOf(head, HeaderId.proxyAuthorization);
}

/** Credentials are of one scheme, which comes first; most are of another one, and long. */
function isSchemeOf(head: Head, id: number): boolean {
  const line = head.findId(id);
  if (line < 0) return false;
  const first = head.text.charCodeAt(head.valueStart(line)) | 0x20;
  return (first === N || first === K) && speaksOf(head, id);
}

/** Whether a response asks for one. */
export function asksConnectionAuth(head: Head): boolean {
  if (head.status !== 401 && head.status !== 407) return false;
  return speaksOf(head, HeaderId.wwwAuthenticate) || speaksOf(head, HeaderId.proxyAuthenticate);
}

function speaksOf(head: Head, id: number): boolean {
  for (let i = head.findId(id); i >= 0; i = head.findId(id, i + 1)) if (SCHEMES.test(head.value(i))) return true;
  return false;
}
