import type { IncomingMessage } from 'node:http';
import { ShopError } from './shop-error.ts';

/** Read and thrown away after the limit, so that the visitor reads the refusal instead of a reset connection. */
const DISCARD = 8 * 1024 * 1024;

/**
 * The JSON object in a request body of at most `limit` bytes. Throws a ShopError: 415 for another content type, 413
 * over the limit, 400 for anything that is not a JSON object or is cut short.
 */
export async function readJsonBody(request: IncomingMessage, limit: number): Promise<Record<string, unknown>> {
  // A page of another site can send a form or plain text without asking first, but not JSON.
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new ShopError(415, 'not-json', 'Send the body with "Content-Type: application/json" (curl: --json).');
  }
  const text = await readText(request, limit);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be parsed';
    throw new ShopError(400, 'bad-json', `The body is not valid JSON: ${why}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ShopError(400, 'bad-json', 'The body must be a JSON object, such as {"item":"mug","quantity":1}.');
  }
  return value as Record<string, unknown>;
}

function readText(request: IncomingMessage, limit: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
      else reject(new ShopError(413, 'body-too-large', `The body is over ${limit} bytes.`));
      if (size > limit + DISCARD) request.destroy();
    });
    request.on('error', (error) =>
      reject(new ShopError(400, 'body-cut-short', `The body ended early: ${error.message}.`)),
    );
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
}
