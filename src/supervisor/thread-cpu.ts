import { readFileSync } from 'node:fs';

/** Clock ticks of /proc are always these, whatever the kernel's own are (USER_HZ). In ms. */
const TICK_MS = 10;
/** Places of utime and stime behind the name of the thread, see proc(5). */
const UTIME = 11;
const STIME = 12;

/** What a thread has had of the machine's cores so far, in ms. */
export interface ThreadCpu {
  readonly used: number;
  /** For how long it was ready to run and others had the cores; null: this system does not say. */
  readonly waited: number | null;
}

/**
 * Reads what a thread of this process has used. Linux only.
 * @param tid see `systemThreadId`
 * @returns null: it cannot be found out
 */
export function threadCpu(tid: number): ThreadCpu | null {
  if (tid === 0) return null;
  try {
    const [used = 0, waited = 0] = readFileSync(`/proc/self/task/${tid}/schedstat`, 'latin1').split(' ').map(Number);
    // A kernel without these statistics says 0.
    if (used > 0) return { used: used / 1e6, waited: waited / 1e6 };
  } catch {
    // There is none, or no such thread any more.
  }
  try {
    const stat = readFileSync(`/proc/self/task/${tid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { used: (Number(fields[UTIME]) + Number(fields[STIME])) * TICK_MS, waited: null };
  } catch {
    return null;
  }
}
