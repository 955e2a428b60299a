import { get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { eventually } from './eventually.ts';

/** One server-sent event. */
export interface HeardEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Listens to server-sent events whose data is JSON. */
export class EventReader {
  readonly events: HeardEvent[] = [];
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Everything that came, comments too. */
  text = '';
  /** Whether the stream has ended; `whole`: in an orderly way. */
  ended: false | 'whole' | 'cut' = false;
  readonly #response: IncomingMessage;
  #rest = '';

  /** Settles when the head of the response has come. */
  static open(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    const { promise, resolve, reject } = Promise.withResolvers<EventReader>();
    const request = get(url, { headers: { accept: 'text/event-stream', ...headers }, agent: false }, (response) =>
      resolve(new EventReader(response)),
    );
    request.on('error', reject);
    return promise;
  }

  private constructor(response: IncomingMessage) {
    this.#response = response;
    this.status = response.statusCode!;
    this.headers = response.headers;
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#take(text));
    response.on('error', () => {});
    response.on('close', () => {
      this.ended = response.complete ? 'whole' : 'cut';
    });
  }

  /** Settles with the first event, past or future, that passes. */
  async heard(test: (event: HeardEvent) => boolean, ms = 30_000): Promise<HeardEvent> {
    try {
      return await eventually('an event', () => this.events.find(test), ms);
    } catch (error) {
      throw new Error(`${(error as Error).message}; heard: ${JSON.stringify(this.events)}`, { cause: error });
    }
  }

  close(): void {
    this.#response.destroy();
  }

  #take(text: string): void {
    this.text += text;
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop()!;
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
      const event = field('event');
      if (event === undefined) continue;
      this.events.push({ id: field('id') ?? '', event, data: JSON.parse(field('data')!) as Record<string, unknown> });
    }
  }
}
