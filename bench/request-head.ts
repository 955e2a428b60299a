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

/** Headers of one request in the order in which they are sent, after Host and Connection. `cookie` is a `name=value` pair. */
export function requestHeaders(set: HeaderSet, cookie: string | null): HeaderLine[] {
  const lines = set === 'browser' ? [...BROWSER] : [];
  if (cookie !== null) lines.push(['Cookie', cookie]);
  return lines;
}

/** The whole head of a GET request, blank line included: the same bytes as autocannon sends. */
export function requestHead(host: string, set: HeaderSet, cookie: string | null, close = false): string {
  const lines: HeaderLine[] = [
    ['Host', host],
    ['Connection', close ? 'close' : 'keep-alive'],
    ...requestHeaders(set, cookie),
  ];
  return `GET / HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}
