import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpBackend } from '../support/http-backend.ts';

/** What a client sends, as to /v1/chat/completions. */
export interface ChatRequest {
  readonly stream: true;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/**
 * A stand-in for a server of a language model with a prompt cache: it streams its replies as server-sent events, one
 * word at a time, and refuses (409) a conversation that goes on from a prefix which is not in its cache, where a real
 * one would work through the whole prompt again.
 */
export class ModelServer {
  readonly backend: HttpBackend;
  /** Conversations that began here. */
  conversations = 0;
  /** Resolves when the client has got the last word that was sent. */
  readonly #seen: (conversation: string) => Promise<void>;
  /** Messages in the cache, by the name of the conversation. */
  readonly #cache = new Map<string, number>();

  constructor(id: string, seen: (conversation: string) => Promise<void>) {
    this.#seen = seen;
    this.backend = new HttpBackend(id, (request, response) => {
      if (request.url === '/health') return void response.end();
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => void this.#reply(request, response, JSON.parse(Buffer.concat(chunks).toString())));
    });
  }

  async #reply({ headers }: IncomingMessage, response: ServerResponse, { messages }: ChatRequest): Promise<void> {
    const conversation = String(headers['x-session-id'] ?? headers.authorization);
    const cached = this.#cache.get(conversation) ?? 0;
    if (cached !== messages.length - 1) {
      response.writeHead(409).end(`${conversation}: ${cached} of ${messages.length - 1} messages are in the cache`);
      return;
    }
    if (cached === 0) this.conversations++;
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    const words = `${messages.at(-1)!.content} on ${this.backend.id}`.split(/(?= )/);
    for (const word of words) {
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: word } }] })}\n\n`);
      // The next word comes when the client has this one: a proxy that waits for more waits forever.
      await this.#seen(conversation);
    }
    this.#cache.set(conversation, messages.length + 1);
    response.end('data: [DONE]\n\n');
  }
}
