/**
 * Who the client is, as far as the peers that are trusted say so, and what limpet in turn says to the backend
 * (behaviours 10, 16, 65).
 *
 * X-Forwarded-For and Forwarded are read from the right: the last element was written by the peer itself, the one
 * before it by the hop that the peer names, and so on while each hop is trusted. What stands left of the first hop that
 * is not trusted was written by a stranger. An element that is no address (`unknown`, an obfuscated name, garbage) ends
 * the walk at the hop that sent it.
 */
import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { type ForwardedElement, forwardedElement, nodeAddress, parseForwardedElement } from './forwarded-element.ts';
import { normaliseAddress, type TrustedProxies } from './trusted-proxies.ts';

/** Where a walk from the right ended. */
interface ForwardedClient {
  /** Address of the client, null when not even the last element names one: then it is the peer's. */
  readonly address: string | null;
  /** Elements taken in. The last one of them speaks of the client. */
  readonly depth: number;
}

/**
 * Address of the client as text in its one spelling. `peer` is the other end of the connection, in that spelling
 * (`TrustedProxies.normalise`). X-Forwarded-For and Forwarded are believed alike. When a request has both and they name
 * different clients, a proxy passes on one of them as a stranger sent it, and nobody can say which: the peer's own
 * address is all that is sure.
 */
export function clientAddress(peer: string, peerTrusted: boolean, head: Head, trusted: TrustedProxies): string {
  if (!peerTrusted) return peer;
  const listed = head.has(HeaderId.xForwardedFor)
    ? listedOrigin(valuesOf(head, HeaderId.xForwardedFor), trusted)
    : null;
  const forwarded = head.has(HeaderId.forwarded) ? forwardedOrigin(forwardedElements(head), trusted) : null;
  if (listed !== null && forwarded !== null && listed.address !== forwarded.address) return peer;
  return (listed ?? forwarded)?.address ?? peer;
}

/**
 * Scheme that the client used: the one that a trusted peer names in X-Forwarded-Proto or Forwarded, otherwise that of
 * the connection itself (`ownTls`), also when the two fields contradict each other (behaviour 10). Of several values
 * the one that belongs to the client's hop counts.
 */
export function clientScheme(
  ownTls: boolean,
  peerTrusted: boolean,
  head: Head,
  trusted: TrustedProxies,
): 'http' | 'https' {
  const own = ownTls ? 'https' : 'http';
  if (!peerTrusted) return own;
  const listed = head.has(HeaderId.xForwardedProto) ? listedScheme(head, trusted) : null;
  const forwarded = head.has(HeaderId.forwarded) ? forwardedScheme(head, trusted) : null;
  if (listed !== null && forwarded !== null && listed !== forwarded) return own;
  return listed ?? forwarded ?? own;
}

/**
 * Host that the client asked for, with its port where it named one: what a trusted peer says in X-Forwarded-Host or
 * Forwarded, otherwise the request's own, also when the two fields contradict each other. Of several values the one
 * that belongs to the client's hop counts. '' when there is none.
 */
export function clientHost(peerTrusted: boolean, head: Head, trusted: TrustedProxies): string {
  if (!peerTrusted) return head.host;
  const listed = listedHost(head, trusted);
  const forwarded = head.has(HeaderId.forwarded) ? forwardedHost(head, trusted) : null;
  if (listed !== null && forwarded !== null && listed.toLowerCase() !== forwarded.toLowerCase()) return head.host;
  return listed ?? forwarded ?? head.host;
}

/**
 * The X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host and Forwarded lines for the backend, each with CRLF, in
 * place of those that came.
 *
 * Of a peer that is not trusted nothing is kept, so that the lines depend on `peer`, `secure` and `host` only: `head`
 * may be null and the caller may keep the text for as long as these three stay the same. From a trusted peer
 * X-Forwarded-For and Forwarded are appended to; when it sent only one of them the other is made from it, so that a
 * backend finds the same client in both. X-Forwarded-Proto says what `clientScheme` found, and X-Forwarded-Host stays
 * as the peer sent it: frameworks expect one value in each.
 * @param peer address of the peer in its one spelling; anything else (a unix socket has none) is `unknown`
 * @param secure the client's side is TLS, its own or told by a trusted peer
 * @param host Host of the request, already checked by the parser; '' when it has none
 */
export function forwardedLines(
  peer: string,
  peerTrusted: boolean,
  secure: boolean,
  host: string,
  head: Head | null,
): string {
  const address = normaliseAddress(peer);
  const scheme = secure ? 'https' : 'http';
  if (!peerTrusted || head === null) return lines(address ?? '', scheme, host, forwardedElement(address, host, scheme));
  const listed = valuesOf(head, HeaderId.xForwardedFor);
  const sent = valuesOf(head, HeaderId.forwarded);
  const elements = sent.map(parseForwardedElement);
  const sentHost = valuesOf(head, HeaderId.xForwardedHost)[0] ?? '';
  const hops = listed.length > 0 ? listed : elements.map((element) => forOf(element) ?? 'unknown');
  const chain =
    sent.length > 0
      ? // An element with an open quote would swallow what follows in the eyes of a backend that reads from the left.
        sent.map((element, i) => (elements[i] === null ? 'for=unknown' : element))
      : listed.map((node, i) => forwardedElement(nodeAddress(node), i === 0 ? sentHost : '', i === 0 ? scheme : ''));
  // Behind a proxy the client's scheme is told by the element of the client's hop, not by ours.
  const mine = forwardedElement(address, host, chain.length === 0 ? scheme : '');
  return lines(
    [...hops, ...(address === null ? [] : [address])].join(', '),
    scheme,
    sentHost || (elements[0]?.host ?? host),
    [...chain, mine].join(', '),
  );
}

function lines(hops: string, scheme: string, host: string, forwarded: string): string {
  const forLine = hops === '' ? '' : `X-Forwarded-For: ${hops}\r\n`;
  const hostLine = host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`;
  return `${forLine}X-Forwarded-Proto: ${scheme}\r\n${hostLine}Forwarded: ${forwarded}\r\n`;
}

/** Elements of a list field over all its lines, in order; empty ones are ignored (RFC 9110 section 5.6.1.2). */
function valuesOf(head: Head, id: number): string[] {
  const values: string[] = [];
  for (let i = head.findId(id); i >= 0; i = head.findId(id, i + 1)) {
    for (const value of head.value(i).split(',')) {
      const trimmed = value.trim();
      if (trimmed !== '') values.push(trimmed);
    }
  }
  return values;
}

/** Elements of `Forwarded`, null for one that is malformed. */
function forwardedElements(head: Head): (ForwardedElement | null)[] {
  return valuesOf(head, HeaderId.forwarded).map(parseForwardedElement);
}

function forOf(element: ForwardedElement | null): string | null {
  return element === null || element.for === null ? null : nodeAddress(element.for);
}

/** Walks from the right: the first hop that is not trusted is the client. */
function follow<T>(hops: readonly T[], addressOf: (hop: T) => string | null, trusted: TrustedProxies): ForwardedClient {
  let address: string | null = null;
  let depth = 0;
  while (depth < hops.length) {
    const next = addressOf(hops[hops.length - 1 - depth]!);
    if (next === null) break;
    address = next;
    depth++;
    if (!trusted.has(next)) break;
  }
  return { address, depth };
}

/** Null: there are no elements. */
function listedOrigin(hops: readonly string[], trusted: TrustedProxies): ForwardedClient | null {
  return hops.length === 0 ? null : follow(hops, nodeAddress, trusted);
}

/** Null: it says nothing of addresses (`Forwarded: proto=https`). */
function forwardedOrigin(
  elements: readonly (ForwardedElement | null)[],
  trusted: TrustedProxies,
): ForwardedClient | null {
  if (elements.every((element) => element !== null && element.for === null)) return null;
  return follow(elements, forOf, trusted);
}

function listedScheme(head: Head, trusted: TrustedProxies): 'http' | 'https' | null {
  const value = listedValue(head, HeaderId.xForwardedProto, trusted);
  return value === null ? null : schemeOf(value);
}

function listedHost(head: Head, trusted: TrustedProxies): string | null {
  return listedValue(head, HeaderId.xForwardedHost, trusted);
}

/** The value of a field beside X-Forwarded-For that speaks of the client's hop; null when the field is not there. */
function listedValue(head: Head, id: number, trusted: TrustedProxies): string | null {
  const values = valuesOf(head, id);
  // One value for each hop when all proxies append, a single one when the first writes it and the others pass it on.
  if (values.length <= 1) return values[0] ?? null;
  const depth = listedOrigin(valuesOf(head, HeaderId.xForwardedFor), trusted)?.depth ?? 1;
  return values[Math.max(values.length - Math.max(depth, 1), 0)]!;
}

function forwardedScheme(head: Head, trusted: TrustedProxies): 'http' | 'https' | null {
  const proto = forwardedHop(head, trusted)?.proto ?? null;
  return proto === null ? null : schemeOf(proto);
}

function forwardedHost(head: Head, trusted: TrustedProxies): string | null {
  return forwardedHop(head, trusted)?.host ?? null;
}

/** The element of the client's hop; null when none can be told from the others. */
function forwardedHop(head: Head, trusted: TrustedProxies): ForwardedElement | null {
  const elements = forwardedElements(head);
  const origin = forwardedOrigin(elements, trusted);
  const depth = origin === null ? 1 : origin.depth;
  return depth === 0 ? null : (elements[elements.length - depth] ?? null);
}

/** Some proxies name the scheme of a WebSocket. */
function schemeOf(text: string): 'http' | 'https' | null {
  switch (text.toLowerCase()) {
    case 'https':
    case 'wss':
      return 'https';
    case 'http':
    case 'ws':
      return 'http';
    default:
      return null;
  }
}
