import type { IncomingMessage, ServerResponse } from 'node:http';

/** How an answer that is not whole ends: an RST, a FIN, or never. */
export type Break = 'reset' | 'fin' | 'stall';

/** A file as a server has it. */
export interface ServedFile {
  readonly bytes: Buffer;
  readonly etag: string;
  /** Bytes of the body after which the answer breaks off; absent: it does not. */
  readonly most?: number;
  readonly how?: Break;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers GET as file servers do: 206 for one range whose If-Range fits, 200 otherwise. Answers the offset of the first
 * byte that it sends.
 */
export function answerFile(request: IncomingMessage, response: ServerResponse, file: ServedFile): number {
  const { bytes, etag, most = Number.POSITIVE_INFINITY, how = 'reset', headers = {} } = file;
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const partial = range !== null && (condition === undefined || condition === etag);
  const first = partial ? Number(range[1]) : 0;
  const last = partial && range[2] !== '' ? Number(range[2]) : bytes.length - 1;
  response.writeHead(partial ? 206 : 200, {
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Content-Length': last - first + 1,
    ...(partial ? { 'Content-Range': `bytes ${first}-${last}/${bytes.length}` } : {}),
    ...headers,
  });
  const body = bytes.subarray(first, last + 1);
  if (body.length <= most) response.end(body);
  else if (most === 0) response.flushHeaders();
  else response.write(body.subarray(0, most), () => breakOff(response, how));
  if (most === 0) setImmediate(() => breakOff(response, how));
  return first;
}

function breakOff({ socket }: ServerResponse, how: Break): void {
  if (how === 'reset') socket?.resetAndDestroy();
  else if (how === 'fin') socket?.end();
}
