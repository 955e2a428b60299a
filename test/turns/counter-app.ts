import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpBackend } from '../support/http-backend.ts';

/**
 * An application that counts by session without a lock: it reads the number, waits for a moment, as if for a data base,
 * and writes it back. GET /count answers with the number.
 */
export class CounterApp extends HttpBackend {
  readonly counts = new Map<string, number>();

  constructor(id: string) {
    super(id, (request, response) => this.#count(request, response));
  }

  #count(request: IncomingMessage, response: ServerResponse): void {
    const session = String(request.headers['limpet-session']);
    const read = this.counts.get(session) ?? 0;
    request.resume();
    if (request.method === 'GET') response.end(String(read));
    else {
      setTimeout(
        () => {
          this.counts.set(session, read + 1);
          response.end(String(read + 1));
        },
        1 + Math.random() * 2,
      );
    }
  }
}
