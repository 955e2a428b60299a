const State = { opcode: 0, length: 1, extended: 2, payload: 3, broken: 4 } as const;

const FIN = 0x80;
const MASK = 0x80;
/** Opcodes from here on are those of control frames (RFC 6455 5.5). */
const CONTROL = 0x8;
const CLOSE = 0x8;
const MAX_CONTROL_BYTES = 125;
const MAX_16_BIT = 65_535;

/** Whether a frame that begins with this byte is a Close frame (RFC 6455 5.5.1). */
export function beginsClose(byte: number): boolean {
  return (byte & 0x0f) === CLOSE;
}

/**
 * Finds the boundaries of the frames in one direction of a WebSocket (RFC 6455 5.2), wherever reads cut them.
 * Only headers are looked at, payload is stepped over: what extensions do with it makes no difference. Keeps no bytes.
 */
export class FrameReader {
  /** The bytes are not frames of this direction: nothing is known about boundaries any more. */
  broken = false;
  /** A Close frame has begun, and has come whole. */
  closeBegan = false;
  closeEnded = false;
  /** At a boundary: more fragments of a message are to come. */
  inMessage = false;

  readonly #mask: number;
  #state: number = State.opcode;
  #control = false;
  /** Bytes of the frame still to come behind its length: key of the mask and payload. */
  #left = 0;
  /** Of a length of 16 or 64 bits: bytes still to come, what has come, and the least it must say. */
  #extendedLeft = 0;
  #extended = 0;
  #least = 0;

  /**
   * @param masked whether frames of this direction are masked: those of clients must be, those of servers must not (RFC
   * 6455 5.1)
   */
  constructor(masked: boolean) {
    this.#mask = masked ? MASK : 0;
  }

  /** All that has been read is whole frames. */
  get atBoundary(): boolean {
    return this.#state === State.opcode;
  }

  /** Reads on from `from` to the end of the current frame, or to `to`. Returns the offset behind what was read. */
  next(bytes: Buffer, from: number, to: number): number {
    let p = from;
    while (p < to) {
      switch (this.#state) {
        case State.opcode:
          this.#begin(bytes[p++]!);
          break;
        case State.length:
          if (this.#length(bytes[p++]!)) return p;
          break;
        case State.extended:
          // Multiplied, not shifted: lengths have up to 53 bits here.
          this.#extended = this.#extended * 256 + bytes[p++]!;
          if (--this.#extendedLeft === 0) this.#lengthIsWhole();
          break;
        case State.payload: {
          const take = Math.min(this.#left, to - p);
          this.#left -= take;
          p += take;
          if (this.#left === 0) {
            this.#end();
            return p;
          }
          break;
        }
        default:
          return to;
      }
    }
    return p;
  }

  #begin(byte: number): void {
    this.#state = State.length;
    const opcode = byte & 0x0f;
    this.#control = opcode >= CONTROL;
    if (!this.#control) this.inMessage = (byte & FIN) === 0;
    // Control frames are never fragmented (RFC 6455 5.5).
    else if ((byte & FIN) === 0) this.#break();
    else if (opcode === CLOSE) this.closeBegan = true;
  }

  /** True: that was the whole frame. */
  #length(byte: number): boolean {
    const length = byte & 0x7f;
    if ((byte & MASK) !== this.#mask || (this.#control && length > MAX_CONTROL_BYTES)) {
      this.#break();
      return false;
    }
    this.#left = this.#mask === 0 ? 0 : 4;
    if (length > MAX_CONTROL_BYTES) {
      this.#state = State.extended;
      this.#extended = 0;
      this.#extendedLeft = length === 126 ? 2 : 8;
      // The shortest form must be used (RFC 6455 5.2).
      this.#least = length === 126 ? MAX_CONTROL_BYTES + 1 : MAX_16_BIT + 1;
      return false;
    }
    this.#left += length;
    this.#state = State.payload;
    if (this.#left > 0) return false;
    this.#end();
    return true;
  }

  #lengthIsWhole(): void {
    // Nobody sends a frame of petabytes; a number this large cannot be counted down exactly either.
    if (this.#extended < this.#least || this.#extended > Number.MAX_SAFE_INTEGER - 4) return this.#break();
    this.#left += this.#extended;
    this.#state = State.payload;
  }

  #end(): void {
    this.#state = State.opcode;
    // Control frames before it ended before it began, so this is the Close frame itself.
    if (this.closeBegan && this.#control) this.closeEnded = true;
  }

  #break(): void {
    this.#state = State.broken;
    this.broken = true;
  }
}
