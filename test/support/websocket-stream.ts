import { randomBytes } from 'node:crypto';
import { type RawData, WebSocket } from 'ws';

const pattern = randomBytes(400_000);
const SIZES = [0, 1, 17, 125, 126, 127, 300, 1_400, 4_096, 20_000, 65_535, 65_536, 150_000];
/** Nothing is added while this much waits to be sent. */
const FULL = 300_000;

/** The nth message of a sender: of all sizes, and each different from its neighbours. */
function messageOf(sender: number, nth: number): Buffer {
  const size = SIZES[(sender * 7 + nth * 5) % SIZES.length]!;
  const at = (sender * 7_919 + nth * 104_729) % (pattern.length - size);
  return pattern.subarray(at, at + size);
}

/**
 * One peer of a WebSocket that sends messages of all sizes, whole and in fragments with pings between them, and holds
 * what it gets against what the other one sends: the messages must be those that were sent, in order, without a gap.
 */
export class WebSocketStream {
  readonly socket: WebSocket;
  /** Messages received. */
  received = 0;
  sent = 0;
  /** What was wrong with the first message that was; '' so far. */
  problem = '';
  /** Code of the Close that ended it, by performance.now when; 0: open. 1006: it broke. */
  code = 0;
  reason = '';
  closedAt = 0;
  readonly #id: number;
  /** Rest of the message that is being sent in fragments. */
  #rest: Buffer | null = null;

  /** @param id of this sender; its peer has `-id` */
  constructor(socket: WebSocket, id: number) {
    this.socket = socket;
    this.#id = id;
    socket.on('message', (data: RawData) => this.#receive(data as Buffer));
    socket.on('error', (error) => {
      this.problem ||= error.message;
    });
    socket.on('close', (code, reason) => {
      this.code = code;
      this.reason = reason.toString();
      this.closedAt = performance.now();
    });
  }

  #receive(data: Buffer): void {
    const expected = messageOf(Math.abs(this.#id) * 2 + (this.#id < 0 ? 0 : 1), this.received);
    if (!expected.equals(data))
      this.problem ||= `message ${this.received}: ${data.length} bytes, ${expected.length} sent`;
    this.received++;
  }

  /** Sends the next message, or the next part of one. */
  sendNext(): void {
    const { socket } = this;
    if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > FULL) return;
    if (this.#rest !== null) {
      const part = this.#rest.subarray(0, Math.ceil(this.#rest.length / 2));
      const fin = this.#rest.length < 50_000;
      socket.send(fin ? this.#rest : part, { fin });
      if (!fin) socket.ping();
      this.#rest = fin ? null : this.#rest.subarray(part.length);
      if (fin) this.sent++;
      return;
    }
    const message = messageOf(Math.abs(this.#id) * 2 + (this.#id < 0 ? 1 : 0), this.sent);
    if (this.sent % 3 === 1 && message.length > 100) {
      this.#rest = message.subarray(50);
      socket.send(message.subarray(0, 50), { fin: false, binary: true });
      return;
    }
    socket.send(message, { binary: true });
    this.sent++;
  }
}

/** Lets `streams` send in turn, `rate` times a second all together. Returns what ends it. */
export function sendInTurn(streams: readonly WebSocketStream[], rate: number): () => void {
  const started = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.min(((performance.now() - started) / 1000) * rate, done + streams.length);
    for (; done < due; done++) streams[done % streams.length]!.sendNext();
  }, 5);
  return () => clearInterval(timer);
}
