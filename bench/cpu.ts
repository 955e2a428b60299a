import { readdirSync, readFileSync } from 'node:fs';

/** CPU time in seconds. */
export interface CpuTime {
  readonly user: number;
  readonly system: number;
}

/** Fields of one /proc/PID/stat line that the benchmark needs; times in clock ticks. */
export interface ProcessStat {
  readonly parent: number;
  readonly userTicks: number;
  readonly systemTicks: number;
  /** User and system time of children that have ended and been waited for. */
  readonly reapedTicks: number;
}

/** Linux reports these times in USER_HZ, which is 100 on every architecture that Node runs on (proc(5)). */
export const TICKS_PER_SECOND = 100;

/** Parses /proc/PID/stat. The command name stands in parentheses and may itself hold spaces and parentheses. */
export function parseProcessStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  // Field 3 of proc(5) is fields[0]: ppid is field 4, utime 14, stime 15, cutime 16, cstime 17.
  return {
    parent: Number(fields[1]),
    userTicks: Number(fields[11]),
    systemTicks: Number(fields[12]),
    reapedTicks: Number(fields[13]) + Number(fields[14]),
  };
}

/** A process and all its descendants, in ascending order; a process that has ended is left out. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  const alive = new Set<number>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const stat = readStat(pid);
    if (stat === null) continue;
    alive.add(pid);
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [pid]);
    else siblings.push(pid);
  }
  const tree: number[] = [];
  const waiting = alive.has(root) ? [root] : [];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    tree.push(pid);
    waiting.push(...(children.get(pid) ?? []));
  }
  return tree.sort((a, b) => a - b);
}

/** User and system time that these processes, all their threads included, have used since they started. */
export function cpuTime(pids: readonly number[]): CpuTime {
  let user = 0;
  let system = 0;
  for (const pid of pids) {
    const stat = readStat(pid);
    user += stat?.userTicks ?? 0;
    system += stat?.systemTicks ?? 0;
  }
  return { user: user / TICKS_PER_SECOND, system: system / TICKS_PER_SECOND };
}

/** Ticks of the whole machine since boot, by the names of proc(5). */
function machineTicks(): Record<'user' | 'nice' | 'system' | 'irq' | 'softirq' | 'steal', number> {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!;
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number);
  return { user: user!, nice: nice!, system: system!, irq: irq!, softirq: softirq!, steal: steal! };
}

/** Seconds of CPU that the whole machine has used since boot, stolen time included (the hypervisor's other guests). */
export function machineBusy(): number {
  const { user, nice, system, irq, softirq, steal } = machineTicks();
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}

/** Seconds for which a core of this machine was ready to run something and its hypervisor ran another guest. */
export function stolen(): number {
  return machineTicks().steal / TICKS_PER_SECOND;
}

/** Seconds of CPU of this process and everything that it has started, ended children included. */
export function ownBusy(): number {
  const { user, system } = cpuTime(processTree(process.pid));
  return user + system + (readStat(process.pid)?.reapedTicks ?? 0) / TICKS_PER_SECOND;
}

/** Highest resident memory of these processes so far (VmHWM), in bytes, summed: shared pages count once for each. */
export function peakMemory(pids: readonly number[]): number {
  return memory(pids, /^VmHWM:\s+(\d+) kB$/m);
}

/** Resident memory of these processes now (VmRSS), in bytes, summed. */
export function residentMemory(pids: readonly number[]): number {
  return memory(pids, /^VmRSS:\s+(\d+) kB$/m);
}

function memory(pids: readonly number[], field: RegExp): number {
  let bytes = 0;
  for (const pid of pids) bytes += Number(field.exec(readStatus(pid))?.[1] ?? 0) * 1024;
  return bytes;
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return ''; // ended between the listing and the read
  }
}

function readStat(pid: number): ProcessStat | null {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return null; // ended between the listing and the read
  }
}
