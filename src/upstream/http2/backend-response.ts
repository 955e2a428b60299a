import { REASON_PHRASES } from '../../http1/reason-phrases.ts';

/** How the body of a response is written as HTTP/1.1. */
export const BodyForm = { none: 0, plain: 1, chunked: 2 } as const;

/** An HTTP/2 response head as HTTP/1.1 text. */
interface BackendResponse {
  readonly text: string;
  /** Of BodyForm. */
  readonly form: number;
}

/**
 * Translates the head of a final response.
 * @param raw names and values in turn
 * @param ended no body and no trailers follow
 * @param trailers the client takes trailers: then the body is chunked, even of a known length, as only chunks can be
 *   followed by them
 */
export function backendResponse(
  raw: readonly string[],
  status: number,
  method: string,
  ended: boolean,
  trailers: boolean,
): BackendResponse {
  // RFC 9112 6.3: these end with their head, whatever it says of a body.
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  const chunkable = !bodiless && !ended;
  let lines = '';
  let hasLength = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.startsWith(':')) continue;
    if (name === 'content-length') {
      if (chunkable && trailers) continue;
      hasLength = true;
    }
    lines += `${name}: ${raw[i + 1]}\r\n`;
  }
  let form: number = BodyForm.none;
  if (chunkable) {
    form = hasLength ? BodyForm.plain : BodyForm.chunked;
    if (!hasLength) lines += 'transfer-encoding: chunked\r\n';
  } else if (!bodiless && !hasLength) lines += 'content-length: 0\r\n';
  return { text: `${statusLine(status)}${lines}\r\n`, form };
}

/** Translates a 1xx response. */
export function interimResponse(raw: readonly string[], status: number): string {
  return `${statusLine(status)}${fieldLines(raw)}\r\n`;
}

/** Lines of fields, pseudo-header fields left out. @param raw names and values in turn */
export function fieldLines(raw: readonly string[]): string {
  let lines = '';
  for (let i = 0; i < raw.length; i += 2) if (!raw[i]!.startsWith(':')) lines += `${raw[i]}: ${raw[i + 1]}\r\n`;
  return lines;
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? ''}\r\n`;
}
