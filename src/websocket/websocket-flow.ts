import { beginsClose, FrameReader } from './websocket-frames.ts';

/** How far limpet is with closing a direction. */
const Closing = {
  /** Bytes pass as they are. */
  no: 0,
  /** At the end of a message. */
  afterMessage: 1,
  /** At the end of any frame: control frames may come between the fragments of a message (RFC 6455 5.4). */
  afterFrame: 2,
  /** Nothing more goes on. */
  done: 3,
} as const;

/**
 * One direction of a WebSocket: what goes on of its bytes, and where a Close frame of limpet's own can take the place
 * of the rest.
 */
export class WebSocketFlow {
  /** The direction broke off in the middle of a frame: no Close frame can follow. */
  brokenOff = false;
  readonly #frames: FrameReader;
  #closing: number = Closing.no;
  #closeDue = false;

  /** @param masked as FrameReader has it */
  constructor(masked: boolean) {
    this.#frames = new FrameReader(masked);
  }

  /** Nothing more goes on in this direction. */
  get done(): boolean {
    return this.#closing === Closing.done;
  }

  /** The sender's Close frame has come whole. */
  get senderClosed(): boolean {
    return this.#frames.closeEnded;
  }

  /** Limpet may put a Close frame in: the sender has not begun one itself and keeps to the framing. */
  get closable(): boolean {
    return !this.#frames.broken && !this.#frames.closeBegan;
  }

  /**
   * Reads bytes[from, to) that have come. Returns the offset up to which they go on; then `takeClose` is to be asked.
   */
  pass(bytes: Buffer, from: number, to: number): number {
    const frames = this.#frames;
    let p = from;
    if (this.#closing === Closing.no) {
      while (p < to) p = frames.next(bytes, p, to);
      return to;
    }
    while (!this.#endsAt(bytes, p, to)) {
      if (p === to) return to;
      p = frames.next(bytes, p, to);
    }
    const end = p;
    // What is left is dropped, but the sender's Close frame may be in it.
    while (p < to) p = frames.next(bytes, p, to);
    return end;
  }

  /** Whether nothing of bytes[p, to) goes on. */
  #endsAt(bytes: Buffer, p: number, to: number): boolean {
    if (this.#closing === Closing.done) return true;
    const frames = this.#frames;
    if (!frames.atBoundary) return false;
    const here =
      this.#closing === Closing.afterFrame ||
      !frames.inMessage ||
      // The sender's Close frame, most likely the answer to ours: ours goes in its place.
      (p < to && beginsClose(bytes[p]!));
    if (here) this.#finishHere();
    return here;
  }

  #finishHere(): void {
    this.#closing = Closing.done;
    this.#closeDue = true;
  }

  /** Asks for a Close frame at the next end of a message, or of a frame when it is `urgent`. It may be due at once. */
  close(urgent: boolean): void {
    if (this.#closing === Closing.done || this.#frames.broken) return;
    this.#closing = urgent ? Closing.afterFrame : Math.max(this.#closing, Closing.afterMessage);
    if (this.#frames.atBoundary && (urgent || !this.#frames.inMessage)) this.#finishHere();
  }

  /** The sender has ended: no byte of this direction comes any more. A Close frame is due if one can follow. */
  end(): void {
    if (this.#closing === Closing.done) return;
    if (this.#frames.atBoundary) this.#finishHere();
    else {
      this.#closing = Closing.done;
      this.brokenOff = true;
    }
  }

  /** The receiver is gone: nothing goes on, and nobody is to be told. */
  drop(): void {
    this.#closing = Closing.done;
    this.#closeDue = false;
  }

  /** True once, when a Close frame is to be sent behind what `pass` let through. */
  takeClose(): boolean {
    const due = this.#closeDue;
    this.#closeDue = false;
    return due;
  }
}
