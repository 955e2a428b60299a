import { spread } from '../statistics.ts';
import type { Report } from './report.ts';

/** Above these the report says that the machine was not quiet: cores used by others, slowest over fastest round. */
const QUIET_CORES = 0.1;
const QUIET_SWING = 1.3;

/** How quiet the machine was, in one line. */
export function noiseOf({ cases }: Report): string {
  const series = cases.flatMap((one) => (one.kind === 'requests' ? one.proxies : []));
  if (series.length === 0) return 'How quiet the machine was is not known without requests.';
  const others = spread(series.flatMap(({ closed, paced }) => [...closed, ...paced].map((sample) => sample.others)));
  const swing = Math.max(
    ...series.map(({ closed }) => spread(closed.map(({ total }) => total))).map(({ min, max }) => max / min),
  );
  const noise = [
    ...(others.max > QUIET_CORES ? ['others were using the machine'] : []),
    ...(swing > QUIET_SWING ? [`one proxy's rounds differ by a factor of ${swing.toFixed(1)}`] : []),
  ];
  const used = `Other processes used ${others.median.toFixed(2)} cores (at most ${others.max.toFixed(2)}).`;
  return noise.length > 0 ? `${used} NOT A QUIET MACHINE: ${noise.join('; ')}.` : used;
}
