import { existsSync, readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';

/** One line of an audit log. */
export interface AuditLine {
  readonly time: string;
  readonly event: string;
  readonly key: string | null;
  readonly pool: string | null;
  readonly backend: string | null;
  readonly from: string | null;
  readonly reason: string | null;
  readonly user: string | null;
  readonly client: string | null;
}

/** All whole lines of an audit log; none when there is no file. */
export function readAudit(path: string): AuditLine[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AuditLine);
}

/** Settles with the lines that pass once there are so many of them. */
export async function audited(
  path: string,
  test: (line: AuditLine) => boolean,
  count = 1,
  ms = 20_000,
): Promise<AuditLine[]> {
  return eventually(
    `${count} lines in the audit log`,
    () => {
      const lines = readAudit(path).filter(test);
      return lines.length >= count ? lines : null;
    },
    ms,
  );
}
