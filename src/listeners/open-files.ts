import { readFileSync } from 'node:fs';

/** How many files and sockets this process may have open at once (RLIMIT_NOFILE); Infinity when there is no limit. */
export function openFilesLimit(): number {
  try {
    const found = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
  } catch {
    // Not Linux. The report knows it too, but takes some time to write.
    const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    const soft = Number(report.userLimits?.open_files?.soft);
    return soft > 0 ? soft : Number.POSITIVE_INFINITY;
  }
}
