import { KEY_SOURCES } from '../../affinity/strategy.ts';
import { MOVE_REASONS, RETURNS } from '../table/move-reasons.ts';
import type { RowRecord } from '../table/row-record.ts';
import type { WrittenDescription } from './snapshot-description.ts';
import type { BackendName, BackendPlace, SessionNames } from './snapshot-names.ts';

/**
 * Bytes of a row outside the table, little-endian:
 *
 *     0 key 4 x i32 | 16 flags u8, by u8, moves u8, reason u8 | 20 backend u16, movedFrom u16 | 24 requests u32 | 28
 *     bindingHash i32
 *     32 user 2 x i32 | 40 created f64 | 48 lastSeen f64 | 56 issued f64
 *
 * Backends are numbers of names that are told apart from the rows, each with the life that the row is bound to; `by`
 * and `reason` numbers of the lists in the description.
 *
 * In a row that is another name of a session, the four words of that one's key stand in place of user and issued.
 * limpet 0.1 takes it for a session of its own.
 */
export const RECORD_BYTES = 64;

const ENDED = 1;
const PROVISIONAL = 2;
const PENDING = 4;
/** The application has been told of the move; the place it came from is kept so that it can go back there. */
const TOLD = 8;
const JOINED = 16;
const NO_NAME = 0xffff;

/** Writes rows, and collects the names of their backends. */
export class RecordEncoder {
  /** `pool/id` by number, so far: one more for each life of a backend that rows are bound to. */
  readonly list: string[] = [];
  /** The lives by the same numbers. */
  readonly lives: number[] = [];
  readonly #names: SessionNames;
  readonly #numbers = new Map<string, number>();
  /** Numbers by slot and stamp. */
  readonly #bySlot = new Map<number, number>();

  constructor(names: SessionNames) {
    this.#names = names;
  }

  /** False, with nothing written: its backend is gone, and with it the session. */
  encode(record: RowRecord, view: DataView, at: number): boolean {
    const backend = record.ended ? NO_NAME : this.#number(record.backend, record.generation);
    if (backend === NO_NAME && !record.ended) return false;
    const { key } = record;
    view.setInt32(at, key.a, true);
    view.setInt32(at + 4, key.b, true);
    view.setInt32(at + 8, key.c, true);
    view.setInt32(at + 12, key.d, true);
    const told = record.movedFrom < 0 && record.failbackTo >= 0;
    const from = told ? record.failbackTo : record.movedFrom;
    const flags =
      (record.ended ? ENDED : 0) |
      (record.provisional ? PROVISIONAL : 0) |
      (record.pending ? PENDING : 0) |
      (record.joined ? JOINED : 0) |
      (told ? TOLD : 0);
    view.setUint8(at + 16, flags);
    view.setUint8(at + 17, record.by);
    view.setUint8(at + 18, record.moves);
    view.setUint8(at + 19, record.movedReason);
    view.setUint16(at + 20, backend, true);
    view.setUint16(at + 22, from < 0 ? NO_NAME : this.#number(from, -1), true);
    view.setUint32(at + 24, record.requests, true);
    view.setInt32(at + 28, record.bindingHash, true);
    view.setInt32(at + 32, record.userA, true);
    view.setInt32(at + 36, record.userB, true);
    view.setFloat64(at + 40, record.created, true);
    view.setFloat64(at + 48, record.lastSeen, true);
    view.setFloat64(at + 56, record.issued, true);
    if (record.joined) {
      const { session } = record;
      view.setInt32(at + 32, session.a, true);
      view.setInt32(at + 36, session.b, true);
      view.setInt32(at + 56, session.c, true);
      view.setInt32(at + 60, session.d, true);
    }
    return true;
  }

  /** Forgets which slot is whose: to be called from time to time, since a slot changes hands. */
  refresh(): void {
    this.#bySlot.clear();
  }

  #number(slot: number, stamp: number): number {
    const known = this.#bySlot.get(slot * 0x20000 + stamp);
    if (known !== undefined) return known;
    const bound = this.#names.backends(slot, stamp);
    const number = bound === null ? NO_NAME : this.#numberOf(bound);
    this.#bySlot.set(slot * 0x20000 + stamp, number);
    return number;
  }

  #numberOf({ name, life }: BackendName): number {
    const entry = `${name}\n${life}`;
    const known = this.#numbers.get(entry);
    if (known !== undefined) return known;
    if (this.list.length === NO_NAME) return NO_NAME;
    this.#numbers.set(entry, this.list.length);
    this.lives.push(life);
    return this.list.push(name) - 1;
  }
}

/** Reads rows, and finds their backends in this process. */
export class RecordDecoder {
  readonly #names: SessionNames;
  readonly #list: string[];
  readonly #lives: number[];
  readonly #places: (BackendPlace | null | undefined)[] = [];
  /** Numbers of this process by numbers of the one that wrote. */
  readonly #sources: readonly number[];
  readonly #reasons: readonly number[];

  constructor({ keySources, moveReasons, names: list, lives }: WrittenDescription, names: SessionNames) {
    this.#names = names;
    this.#list = [...list];
    this.#lives = [...(lives ?? [])];
    this.#sources = keySources.map((name) => Math.max(0, (KEY_SOURCES as readonly string[]).indexOf(name)));
    this.#reasons = moveReasons.map((name) => Math.max(0, (MOVE_REASONS as readonly string[]).indexOf(name)));
  }

  /**
   * More names, which go on where the last ones ended.
   * @param lives of those names; absent: limpet 0.1 tells, which knows of none
   */
  add(names: readonly string[], lives?: readonly number[]): void {
    for (const [n, life] of (lives ?? []).entries()) this.#lives[this.#list.length + n] = life;
    this.#list.push(...names);
  }

  /** Forgets where backends are: to be called from time to time, since they come and go. */
  refresh(): void {
    this.#places.length = 0;
  }

  /** False: its backend is not there, and so `record` means nothing. */
  decode(view: DataView, at: number, record: RowRecord): boolean {
    const flags = view.getUint8(at + 16);
    record.ended = (flags & ENDED) !== 0;
    const number = view.getUint16(at + 20, true);
    const place = record.ended ? null : this.#place(number);
    if (place === null && !record.ended) return false;
    const from = this.#place(view.getUint16(at + 22, true));
    record.key.set(
      view.getInt32(at, true),
      view.getInt32(at + 4, true),
      view.getInt32(at + 8, true),
      view.getInt32(at + 12, true),
    );
    record.provisional = (flags & PROVISIONAL) !== 0;
    record.pending = (flags & PENDING) !== 0;
    record.by = this.#sources[view.getUint8(at + 17)] ?? 0;
    record.moves = view.getUint8(at + 18);
    const reason = from === null ? 0 : (this.#reasons[view.getUint8(at + 19)] ?? 0);
    record.movedReason = reason;
    record.pool = place?.pool ?? 0;
    record.backend = place?.slot ?? 0;
    record.movedFrom = (flags & TOLD) === 0 ? (from?.slot ?? -1) : -1;
    record.failbackTo = RETURNS[reason] === 1 ? (from?.slot ?? -1) : -1;
    record.failbackGeneration = (from?.life.stamp ?? 0) & 7;
    record.requests = view.getUint32(at + 24, true);
    record.bindingHash = view.getInt32(at + 28, true);
    record.userA = view.getInt32(at + 32, true);
    record.userB = view.getInt32(at + 36, true);
    record.created = view.getFloat64(at + 40, true);
    record.lastSeen = view.getFloat64(at + 48, true);
    record.issued = view.getFloat64(at + 56, true);
    record.generation = place === null ? 0 : this.#stamp(place, number, record.lastSeen);
    record.firstStamp = place?.life.stampOf(1) ?? 0;
    record.latestStamp = place?.life.stamp ?? 0;
    record.joined = (flags & JOINED) !== 0;
    if (record.joined) {
      record.session.set(record.userA, record.userB, view.getInt32(at + 56, true), view.getInt32(at + 60, true));
      record.issued = 0;
      record.userA = 0;
      record.userB = 0;
    }
    return true;
  }

  /** Where nothing says in which life a backend was, when the session was last seen tells. */
  #stamp({ life }: BackendPlace, number: number, lastSeen: number): number {
    const named = this.#lives[number];
    return named === undefined ? life.stampAt(lastSeen) : life.stampOf(named);
  }

  #place(number: number): BackendPlace | null {
    const name = this.#list[number];
    if (name === undefined) return null;
    let place = this.#places[number];
    if (place === undefined) {
      const slash = name.indexOf('/');
      place = this.#names.resolve(name.slice(0, slash), name.slice(slash + 1));
      this.#places[number] = place;
    }
    return place;
  }
}
