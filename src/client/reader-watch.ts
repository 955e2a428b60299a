import { LeastRate } from './least-rate.ts';

/** How a client takes what it is sent. All times are those of the wheel, which counts no pause of limpet's own. */
export class ReaderWatch {
  /** Where there is a limit. */
  #rate: LeastRate | null = null;
  /** Since when the client takes nothing of what waits for it; 0: nothing waits. */
  #stuckSince = 0;
  /** Bytes that the client has been sent and had not taken. */
  #unread = 0;

  /** For how long it has taken nothing, ms; 0: it has taken all. */
  stuckMs(now: number): number {
    return this.#stuckSince === 0 ? 0 : now - this.#stuckSince;
  }

  /** So many bytes wait for the client. @param limited there is a least rate */
  waits(unread: number, now: number, limited: boolean): void {
    if (this.#stuckSince === 0) this.#stuckSince = now;
    if (!limited) return;
    (this.#rate ??= new LeastRate()).wait(now);
    this.#unread = unread;
  }

  /** The client has taken all of it. */
  taken(): void {
    this.#stuckSince = 0;
  }

  /** Whether that came fast enough. @param rate bytes per second; 0: any will do */
  isFast(now: number, rate: number): boolean {
    return this.#rate === null || this.#rate.moved(this.#unread, now, rate);
  }

  /** Another response is next. */
  reset(): void {
    this.#rate?.reset();
  }
}
