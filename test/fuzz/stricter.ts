/**
 * Messages of the corpus on which limpet and the project that they come from disagree, with the reason. The test fails
 * when a list and reality differ.
 */
export interface Disagreement {
  readonly why: string;
  readonly ids: readonly string[];
}

/**
 * Requests that their own project takes and limpet refuses. Requests of HTTP/1.1 without Host, which limpet refuses one
 * and all, are not listed.
 */
export const STRICTER_REQUESTS: readonly Disagreement[] = [
  {
    why: 'A second request on the connection has no Host (behaviour 53); the first is answered.',
    ids: [
      'llhttp/request/connection/Restarting when keep-alive is explicitly [request] +Host',
      'llhttp/request/pipelining/Should parse multiple events [request] +Host',
    ],
  },
  {
    why: 'CONNECT is answered with 405 (behaviour 67): limpet is no forward proxy.',
    ids: [
      'llhttp/request/method/CONNECT request [request]',
      'llhttp/request/method/CONNECT request with CAPS [request]',
      'llhttp/request/method/CONNECT with body [request]',
      'llhttp/request/uri/Underscore in hostname [request]',
    ],
  },
  {
    why: 'The target * is for OPTIONS only (RFC 9112 3.2.4); this is SSDP, which goes over UDP.',
    ids: ['llhttp/request/method/M-SEARCH request [request]'],
  },
  {
    why: 'A version other than HTTP/1.x (behaviour 53).',
    ids: [
      'llhttp/request/method/SOURCE request with ICE [request]',
      'llhttp/request/method/OPTIONS request with RTSP [request]',
      'llhttp/request/method/ANNOUNCE request with RTSP [request]',
      'llhttp/request/sample/No HTTP version [request]',
      'httpd/006/013',
    ],
  },
  {
    why: 'A Transfer-Encoding that is not exactly chunked (behaviour 53): a backend that knows the other coding frames it differently from one that does not.',
    ids: [
      'llhttp/request/transfer-encoding/POST with `chunked` as last transfer-encoding [request] +Host',
      'llhttp/request/transfer-encoding/POST with `chunked` as last transfer-encoding (multiple headers) [request] +Host',
    ],
  },
  {
    why: 'The authority of an absolute target differs from Host (behaviour 53).',
    ids: [
      'httpd/006/072',
      'httpd/006/073',
      'httpd/006/074',
      'httpd/006/075',
      'llhttp/request/uri/Host terminated by a query string [request] +Host',
      'llhttp/request/uri/`host:port` terminated by a query string [request] +Host',
      'llhttp/request/uri/`host:port` terminated by a space [request] +Host',
    ],
  },
  {
    why: 'A user name or password in the authority (RFC 9110 4.2.4): it makes another host look like the host.',
    ids: ['llhttp/request/uri/`host:port` and basic auth [request] +Host'],
  },
  {
    why: 'A fragment is no part of a request target (RFC 9112 3.2); servers cut it off or take it for part of the path.',
    ids: ['llhttp/request/uri/Fragment in URI [request] +Host'],
  },
  {
    why: 'Between brackets is no IPv6 address.',
    ids: ['httpd/006/060'],
  },
];

/** Requests that their own project refuses and limpet takes. */
export const LENIENT_REQUESTS: readonly Disagreement[] = [
  {
    why: 'What is refused is a second request behind one that ends the connection. limpet answers the first, closes, and reads nothing more: it is never looked at.',
    ids: ['llhttp/request/connection/No restart when keep-alive is off (1.0) [request]'],
  },
  {
    why: 'What is refused is the second request. limpet answers the first, which is sound, and refuses the second, too.',
    ids: ['llhttp/request/connection/CRLF between requests, implicit `keep-alive` [request]'],
  },
  {
    why:
      'llhttp knows a fixed set of methods, and ANNOUNCE for RTSP only. Methods can be added (RFC 9110 16.1), and a proxy passes on those that it does not know; they change ' +
      'nothing about the framing.',
    ids: [
      'llhttp/request/invalid/HTTP protocol and ANNOUNCE method [request]',
      'llhttp/request/invalid/Invalid method [request] +Host',
    ],
  },
];

/** Responses that their own project takes and that limpet answers with 502. */
export const STRICTER_RESPONSES: readonly Disagreement[] = [
  {
    why: 'A 101 that nobody asked for (behaviour 72).',
    ids: [
      'llhttp/response/connection/HTTP 101 response with Upgrade and Content-Length header [response]',
      'llhttp/response/connection/HTTP 101 response with Upgrade and Transfer-Encoding header [response]',
    ],
  },
  {
    why: 'An empty line before a status line: RFC 9112 2.2 lets servers skip it before requests, and nobody before responses.',
    ids: [
      'llhttp/response/connection/HTTP 100 first, then 400 [response]',
      'llhttp/response/sample/Response starting with CRLF [response]',
    ],
  },
  {
    why: 'Another protocol, or a version other than HTTP/1.x (behaviour 54).',
    ids: [
      'llhttp/response/sample/RTSP response [response]',
      'llhttp/response/sample/ICE response [response]',
      'llhttp/response/sample/HTTP version 0.9 [response]',
    ],
  },
  {
    why: 'A Transfer-Encoding that is not exactly chunked (behaviours 53, 54).',
    ids: [
      'llhttp/response/transfer-encoding/`chunked` before other transfer-encoding [response]',
      'llhttp/response/transfer-encoding/multiple transfer-encoding where chunked is not the last one [response]',
      'llhttp/response/transfer-encoding/`chunkedchunked` transfer-encoding does not enable chunked enconding [response]',
    ],
  },
];

/** Responses that their own project refuses and that limpet passes on. */
export const LENIENT_RESPONSES: readonly Disagreement[] = [
  {
    why: 'What is refused is what comes behind the response. limpet passes the response on and closes the connection: the rest is the answer to nobody.',
    ids: ['llhttp/response/connection/HTTP/1.1 with keep-alive disabled and 204 status [response]'],
  },
  {
    why: 'Spaces behind a chunk size, as old and small servers send them. They stand for nothing, and go no further (F11).',
    ids: ['llhttp/response/transfer-encoding/Trailing space on chunked body [response]'],
  },
];

/** All ids of a list. */
export function idsOf(list: readonly Disagreement[]): string[] {
  return list.flatMap(({ ids }) => ids).sort();
}
