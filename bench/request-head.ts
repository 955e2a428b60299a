/** A request header as name and value, in the order in which it is sent. */
export type HeaderLine = readonly [name: string, value: string];

/** Which request headers the load sends next to Host and Cookie. */
export type HeaderSet = 'plain' | 'browser';

/** The headers of Chrome on Linux for a page of the same site: 17 lines, 20 with Host, Connection and Cookie. */
const BROWSER: readonly HeaderLine[] = [
  ['Cache-Control', 'max-age=0'],
  ['sec-ch-ua', '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"'],
  ['sec-ch-ua-mobile', '?0'],
  ['sec-ch-ua-platform', '"Linux"'],
  ['DNT', '1'],
  ['Upgrade-Insecure-Requests', '1'],
  [
    'User-Agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  ],
  [
    'Accept',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7',
  ],
  ['Sec-Fetch-Site', 'same-origin'],
  ['Sec-Fetch-Mode', 'navigate'],
  ['Sec-Fetch-User', '?1'],
  ['Sec-Fetch-Dest', 'document'],
  ['Referer', 'http://shop.example/catalogue/shoes?page=3'],
  ['Accept-Encoding', 'gzip, deflate, br, zstd'],
  ['Accept-Language', 'de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7'],
  ['Priority', 'u=0, i'],
  ['If-None-Match', 'W/"5f2a-18c3f0e2b40"'],
];

/** Headers of one request in the order in which they are sent, after Host and Connection. `mark` names the session. */
export function requestHeaders(set: HeaderSet, mark: HeaderLine | null): HeaderLine[] {
  const lines = set === 'browser' ? [...BROWSER] : [];
  if (mark !== null) lines.push(mark);
  return lines;
}

/** What a request is, apart from its session. */
export interface RequestShape {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: HeaderSet;
  readonly uploadBytes: number;
  /** It says that its connection ends with the answer. */
  readonly close: boolean;
}

/** A GET request for `/` without a body. */
export const PLAIN_GET: RequestShape = { method: 'GET', path: '/', headers: 'plain', uploadBytes: 0, close: false };

/** The whole head of a request, blank line included: the same bytes as autocannon sends. */
export function requestHead(host: string, shape: RequestShape, mark: HeaderLine | null): string {
  const { method, path, headers, uploadBytes, close } = shape;
  const lines: HeaderLine[] = [
    ['Host', host],
    ['Connection', close ? 'close' : 'keep-alive'],
    ...(uploadBytes > 0 ? [['Content-Length', String(uploadBytes)] as const] : []),
    ...requestHeaders(headers, mark),
  ];
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}
