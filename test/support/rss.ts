import { readFileSync } from 'node:fs';

/** Resident memory of a process, in bytes. */
export function rss(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  if (found === null) throw new Error(`process ${pid} has ended`);
  return Number(found[1]) * 1024;
}
