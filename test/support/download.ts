import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';

/** What came of a response, whole or not. */
export interface Download {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** It ended as its framing says. */
  readonly whole: boolean;
}

/**
 * Asks on a connection of its own, and settles when the response has ended or broken; rejects when not even its head
 * comes.
 * @param onData called with the bytes so far
 */
export function download(
  url: string,
  options: RequestOptions & { body?: string } = {},
  onData: (sum: number) => void = () => {},
): Promise<Download> {
  const { promise, resolve, reject } = Promise.withResolvers<Download>();
  const { body, ...rest } = options;
  const outgoing = request(url, { agent: false, ...rest }, (response) => {
    const chunks: Buffer[] = [];
    let sum = 0;
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      sum += chunk.length;
      onData(sum);
    });
    response.on('error', () => {});
    response.on('close', () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        bytes: Buffer.concat(chunks),
        whole: response.complete,
      }),
    );
  });
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}
