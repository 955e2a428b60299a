/**
 * The part of node:ffi that is used; it has no types yet. Pointers, and whatever else fills a register, are bigints.
 */
interface Ffi {
  dlopen(
    path: string | null,
    functions: Record<string, { return: string; arguments: readonly string[] }>,
  ): { functions: Record<string, (...args: bigint[]) => unknown> };
  getRawPointer(memory: NodeJS.TypedArray | Buffer): bigint;
  toArrayBuffer(pointer: bigint, size: number, copy: boolean): ArrayBuffer;
}

/** Results are those of the system: -1 is a failure, and `errno` says which. */
export interface SystemCalls {
  /** Number of the latest error, at 0. */
  readonly errno: Int32Array;
  /** The address of memory outside V8's heap: the memory must be kept from being collected while the number is used. */
  address(memory: NodeJS.TypedArray | Buffer): bigint;
  /**
   * syscall(2) with three arguments, `number` of `Call`: without what libc's own functions do for threads that are to
   * be cancelled while they wait.
   */
  syscall(number: bigint, first: bigint, second: bigint, third: bigint): number;
  epollCreate(flags: bigint): number;
  epollControl(epoll: bigint, operation: bigint, fd: bigint, event: bigint): number;
  epollWait(epoll: bigint, events: bigint, count: bigint, ms: bigint): number;
  poll(fds: bigint, count: bigint, ms: bigint): number;
  socketPair(domain: bigint, type: bigint, protocol: bigint, fds: bigint): number;
  /** Closes `to` and makes it another number for `from`. */
  dup3(from: bigint, to: bigint, flags: bigint): number;
  close(fd: bigint): number;
}

const EBADF = 9;
const isX64 = process.arch === 'x64';
/** Numbers of system calls: asm/unistd_64.h, asm-generic/unistd.h. */
export const Call = isX64
  ? ({ read: 0n, write: 1n, fcntl: 72n } as const)
  : ({ read: 63n, write: 64n, fcntl: 25n } as const);
const NO_FD = 0xffff_ffff_ffff_ffffn;

/** Holds every library that was opened: its functions must not outlive it. */
const libraries: unknown[] = [];

/**
 * Loads the system calls of a connection, without libuv and Node's C++ between them and JavaScript: that part costs a
 * fifth of a request (bench/NOTES.md). Linux on x64 and arm64, with a Node that has node:ffi (26 and later).
 * @returns null: they cannot be made here
 */
export function loadSystemCalls(): SystemCalls | null {
  try {
    const ffi = quietly(() => process.getBuiltinModule('node:ffi') as unknown as Ffi | undefined);
    if (ffi === undefined) return null;
    const p = 'pointer';
    // All pointers: of such a signature alone V8 calls the system's function without any check of Node's between them.
    const names = {
      syscall: 4,
      epoll_create1: 1,
      epoll_ctl: 4,
      epoll_wait: 4,
      poll: 3,
      socketpair: 4,
      dup3: 3,
      close: 1,
    };
    const signatures = Object.entries(names).map(([name, count]) => [
      name,
      { return: 'int32', arguments: new Array<string>(count).fill(p) },
    ]);
    const library = ffi.dlopen(null, {
      ...Object.fromEntries(signatures),
      __errno_location: { return: p, arguments: [] },
    });
    libraries.push(library);
    const { functions } = library;
    const errno = new Int32Array(ffi.toArrayBuffer(functions.__errno_location!() as bigint, 4, false));
    const calls = {
      errno,
      address: (memory: NodeJS.TypedArray | Buffer) => ffi.getRawPointer(memory),
      syscall: functions.syscall,
      epollCreate: functions.epoll_create1,
      epollControl: functions.epoll_ctl,
      epollWait: functions.epoll_wait,
      poll: functions.poll,
      socketPair: functions.socketpair,
      dup3: functions.dup3,
      close: functions.close,
    } as unknown as SystemCalls;
    // A call that must fail in a known way shows that numbers go in and come out as they should.
    return calls.syscall(Call.read, NO_FD, 0n, 0n) === -1 && errno[0] === EBADF ? calls : null;
  } catch {
    return null;
  }
}

/** Runs `load` without the warning that node:ffi is experimental: a user of limpet could do nothing about it. */
function quietly<T>(load: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
