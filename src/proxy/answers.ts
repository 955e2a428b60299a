import { performance } from 'node:perf_hooks';
import { ERRORS, type ErrorKind } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import type { SessionJournal } from '../logging/session-journal.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { DateLine } from '../timing/date-line.ts';
import type { WallClock } from '../timing/wall-clock.ts';
import { EVERY_METHOD, errorAnswer } from './error-answer.ts';
import { explainLine } from './explain/explain-header.ts';
import { finalRecipientAnswer } from './final-recipient.ts';
import { noteRefusal } from './note-refusal.ts';
import type { RequestHeads } from './request-heads.ts';
import type { RequestRecorder } from './request-recorder.ts';
import type { OpenStreams } from './session/open-streams.ts';
import { releaseClaim } from './session/session-confirm.ts';
import type { AdmissionStep } from './steps/admission.ts';
import { SIMPLEX_METHODS } from './steps/simplex.ts';

/** What Answers is made from. */
interface AnswerParts {
  readonly heads: RequestHeads;
  readonly clock: WallClock;
  readonly store: SessionStore;
  readonly recorder: RequestRecorder;
  readonly streams: OpenStreams;
  /** What requests of guarded pools have to leave when they end. */
  readonly steps: readonly AdmissionStep[];
  /** Null: the audit log is off. */
  readonly journal: () => SessionJournal | null;
}

/**
 * Ends requests: with an answer of limpet's own, in the middle of a response, or as the backend answered. Each is
 * counted and logged once.
 */
export class Answers {
  readonly #parts: AnswerParts;
  readonly #recorder: RequestRecorder;
  readonly #date = new DateLine();

  constructor(parts: AnswerParts) {
    this.#parts = parts;
    this.#recorder = parts.recorder;
  }

  /** The `Date` line of a message that goes out now, by performance.now. */
  date(now: number): string {
    return this.#date.at(this.#parts.clock.at(now));
  }

  /**
   * Answers with an error of limpet's own. Where the client has part of a response already, all that is left is to cut
   * it. No attempt is under way any more.
   */
  answer(x: Exchange, kind: ErrorKind): void {
    if (x.committed) return this.cut(x, x.lastError ?? kind);
    const { store, heads } = this.#parts;
    const journal = this.#parts.journal();
    releaseClaim(x, store);
    x.error = kind;
    x.status = kind.status;
    x.committed = true;
    if (journal !== null) noteRefusal(journal, x, kind);
    // An upload that nobody will read ends the connection with the answer. So does a request for another protocol: our
    // answer comes so fast that bytes sent in hope of that protocol may come behind it.
    if (!x.bodyDone || x.upgrade !== '') x.client.closeAfter();
    const { keepAlive } = x.client;
    if (!keepAlive) x.client.closeAfter();
    const text = errorAnswer({
      kind,
      accept: x.text === '' ? '' : acceptOf(heads.again(x)),
      requestId: x.requestId,
      head: x.method === 'HEAD',
      keepAlive,
      http10: x.minor === 0,
      retryAfter: x.retryAfter || kind.retryAfter,
      date: this.date(performance.now()),
      more: x.explains ? explainLine(x, null, kind) : '',
      // Where a pool is known, it is one that only lets some through.
      allow: x.pool === null ? EVERY_METHOD : SIMPLEX_METHODS,
    });
    x.client.put(text);
    this.record(x);
    x.client.finished();
  }

  /** Answers a request that has come as far as it may go. */
  answerHere(x: Exchange, head: Head): void {
    x.status = 200;
    x.committed = true;
    if (!x.bodyDone) x.client.closeAfter();
    const connection = !x.client.keepAlive
      ? 'Connection: close\r\n'
      : x.minor === 0
        ? 'Connection: keep-alive\r\n'
        : '';
    x.client.put(finalRecipientAnswer(head, `${this.date(performance.now())}${x.requestIdLine}\r\n${connection}`));
    this.record(x);
    x.client.finished();
  }

  /** Ends a response that does not become whole. It never ends as if it were (behaviours 29, 64). */
  cut(x: Exchange, kind: ErrorKind): void {
    x.error = kind;
    this.record(x);
    x.client.cut();
  }

  /** Ends a request whose client has left (behaviour 35): not held against anybody. */
  leave(x: Exchange): void {
    x.error = ERRORS.CLIENT_GONE;
    if (!x.committed) x.status = ERRORS.CLIENT_GONE.status;
    this.record(x);
  }

  /** Counts and logs a request that has ended. Once per request. @param now by performance.now */
  record(x: Exchange, now = performance.now()): void {
    if (!x.active) return;
    x.active = false;
    if (x.claimed) releaseClaim(x, this.#parts.store);
    if (x.streamAt >= 0) this.#parts.streams.remove(x);
    const { runtime } = x;
    if (runtime !== null) {
      if (runtime.guarded) this.#leaveSteps(x);
      runtime.active--;
      if (x.retrying) runtime.retrying--;
    }
    if (x.body.length > 0) x.body.length = 0;
    this.#recorder.record(x, now);
  }

  #leaveSteps(x: Exchange): void {
    if (x.step < 0) return;
    for (const step of this.#parts.steps) step.leave?.(x);
    x.step = -1;
  }
}

function acceptOf(head: Head): string {
  const line = head.findId(HeaderId.accept);
  return line < 0 ? '' : head.value(line);
}
