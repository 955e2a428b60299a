import type { ServerResponse } from 'node:http';

/** Answers with JSON that a person can read in a terminal too; never stored by a cache. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  // As bytes: text would go out in one piece with the head, and bytes of a header field above 0x7F would be encoded
  // again.
  const body = Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(body);
}
