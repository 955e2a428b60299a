import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { formatPath } from '../config/config-error.ts';
import { allowedKeys, findings } from '../config/messages.ts';
import type { Answer } from './answer.ts';
import { problem } from './problem.ts';

/**
 * Reads and checks the JSON body of a request. What comes back is its value or the answer that refuses it: 415, 413,
 * 400 for what is not JSON, 422 for what is not as `schema` wants it, with every mistake.
 * @param mostBytes longest body that is read
 * @throws what the connection's end throws: there is nobody left to answer
 */
export async function readJsonBody<Schema extends z.ZodType>(
  request: IncomingMessage,
  schema: Schema,
  instance: string,
  mostBytes: number,
): Promise<{ readonly value: z.output<Schema> } | { readonly refused: Answer }> {
  const refuse = (status: number, detail: string, headers?: Record<string, string>) => {
    return { refused: problem(status, detail, instance, headers) };
  };
  // Nothing to say is the same as an empty map.
  if (hasNoBody(request)) {
    const none = schema.safeParse({});
    if (none.success) return { value: none.data };
  }
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') {
    return refuse(415, 'The body must be JSON: send Content-Type: application/json.', { Accept: 'application/json' });
  }
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return refuse(415, 'The body must not be compressed.', { 'Accept-Encoding': 'identity' });
  }
  const tooLarge = refuse(413, `The body must be at most ${mostBytes / 1024} KiB.`, { Connection: 'close' });
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) return tooLarge;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > mostBytes) return tooLarge;
    chunks.push(chunk);
  }
  let written: unknown;
  try {
    written = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch (error) {
    return refuse(400, `The body is not JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(written, { error: allowedKeys });
  if (parsed.success) return { value: parsed.data };
  const mistakes = parsed.error.issues
    .flatMap((issue) => findings(issue, written))
    .map(({ path, message }) => ({ path: formatPath(path), message }));
  const detail = mistakes.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  return { refused: problem(422, detail, instance, {}, mistakes) };
}

/** RFC 9112 section 6.3: a request without either field has no body. */
function hasNoBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}
