import type { CookieNames } from '../affinity/cookie-names.ts';
import type { Backend } from '../backends/backend.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { Framing, type Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import type { Counters } from '../metrics/counters.ts';
import { isCacheable, passesAsItIs, responseHead } from '../upstream/response-head.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Answers } from './answers.ts';
import { explainLine } from './explain/explain-header.ts';
import type { OpenStreams } from './session/open-streams.ts';
import type { AdmissionStep } from './steps/admission.ts';

/** What Responses is made from. */
interface ResponseParts {
  readonly state: SharedState;
  readonly counters: Counters;
  readonly answers: Answers;
  readonly streams: OpenStreams;
  /** What requests of guarded pools are told of, when their response is a stream. */
  readonly steps: readonly AdmissionStep[];
}

/** Sends the heads of backends' responses on to the clients, with the lines that limpet adds. */
export class Responses {
  readonly #parts: ResponseParts;
  readonly #state: SharedState;
  readonly #counters: Counters;

  constructor(parts: ResponseParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#counters = parts.counters;
  }

  /** Counts the answer of a backend. @param now by performance.now */
  count(x: Exchange, { slot }: Backend, now: number): void {
    const took = now - x.attemptStartedAt;
    this.#state.recordLatency(slot, took);
    this.#state.recordRequest(slot);
    this.#counters.backendResponse(slot, took);
  }

  /**
   * The final response, of which this is the head.
   * @param setCookie `Set-Cookie` line with CRLF, or ''
   * @param cookies names of limpet's own cookies, which a backend cannot set
   * @param now by performance.now
   */
  send(x: Exchange, head: Head, framing: Framing, setCookie: string, cookies: CookieNames, now: number): void {
    const { status } = head;
    // Without a 100 the client may or may not send its body: the next bytes could be either (RFC 9110 10.1.1).
    if (framing === Framing.untilClose || (x.expectsContinue && !x.continued && !x.bodyDone)) x.client.closeAfter();
    const { keepAlive } = x.client;
    // What the client has been told holds, whatever begins or is taken back until the response is whole.
    if (!keepAlive) x.client.closeAfter();
    let lines = !keepAlive ? 'Connection: close\r\n' : x.minor === 0 ? 'Connection: keep-alive\r\n' : '';
    if (x.explains) lines += explainLine(x, x.backend, null);
    if (!head.has(HeaderId.date)) lines += this.#parts.answers.date(now);
    if (status === 426 && head.upgradeLine >= 0 && x.minor === 1) lines += upgradeLines(head);
    if (setCookie === '' && lines === '' && passesAsItIs(head, framing, cookies)) {
      x.client.putHead(head.bytes, head.base, head.base + head.length);
    } else {
      const cacheable = setCookie !== '' && isCacheable(head, x.method);
      x.client.put(responseHead(head, framing, cookies, setCookie, lines, cacheable));
    }
    x.status = status;
    x.committed = true;
    // An event stream has no length.
    if ((framing === Framing.chunked || framing === Framing.untilClose) && isEventStream(head)) {
      x.endless = x.method === 'GET';
      this.#stream(x);
    }
  }

  /** The backend agrees to switch protocols: from here on bytes go both ways. */
  switch(x: Exchange, upstream: Upstream, head: Head, setCookie: string, cookies: CookieNames): void {
    const line = head.upgradeLine < 0 ? x.upgrade : head.value(head.upgradeLine);
    const explained = x.explains ? explainLine(x, x.backend, null) : '';
    const lines = `Connection: upgrade\r\nUpgrade: ${line}\r\n${explained}`;
    x.client.put(responseHead(head, Framing.none, cookies, setCookie, lines, false));
    x.status = 101;
    x.committed = true;
    this.#stream(x);
    x.client.tunnel(upstream);
  }

  /** The response may last for hours: its session has to last as long, and others of it need not wait for that. */
  #stream(x: Exchange): void {
    const { steps, streams } = this.#parts;
    if (x.runtime!.guarded) for (const step of steps) step.onStream?.(x);
    streams.add(x, Date.now());
  }
}

/** Server-sent events (WHATWG HTML, section 9.2). */
function isEventStream(head: Head): boolean {
  const line = head.findId(HeaderId.contentType);
  return (
    line >= 0 &&
    head.text.slice(head.valueStart(line), head.valueStart(line) + 17).toLowerCase() === 'text/event-stream'
  );
}

/** A 426 says what would be welcome (RFC 9110 15.5.22). */
function upgradeLines(head: Head): string {
  let lines = 'Connection: upgrade\r\n';
  for (let i = head.upgradeLine; i >= 0; i = head.findId(HeaderId.upgrade, i + 1))
    lines += `Upgrade: ${head.value(i)}\r\n`;
  return lines;
}
