/** How often the generator looks, ms. */
export const LOOK_MS = 100;
/** What was taken is counted with the next tick of the clock, which may be this much later, ms. */
const TICK_MS = 10;
/** Fewer requests than this say nothing about a p99. */
const ENOUGH = 1_000;

/**
 * What the generator has seen: by `at`, on the time scale of the requests, the hypervisor had taken cores away for
 * `stolen` more seconds than at the look before.
 */
export interface Look {
  readonly at: number;
  readonly stolen: number;
}

/**
 * The latencies of those requests during which the hypervisor took no core of this machine away, from a tenth of a
 * second before they were due, in which a queue could have built up, to their answers: a stall that is the machine's
 * says nothing about a proxy.
 * @param requests pairs, one after the other: when it was due, and its latency, ms
 * @param looks in their order; the first one is where counting begins
 * @returns all latencies where too few are left; `kept` is the share of those that count
 */
export function undisturbed(
  requests: readonly number[],
  looks: readonly Look[],
): { latencies: number[]; kept: number } {
  const taken: { from: number; to: number }[] = [];
  for (let n = 1; n < looks.length; n++) {
    if (looks[n]!.stolen > 0) taken.push({ from: looks[n - 1]!.at - TICK_MS, to: looks[n]!.at + LOOK_MS });
  }
  const all: number[] = [];
  const latencies: number[] = [];
  for (let at = 0; at < requests.length; at += 2) {
    const [due, latency] = [requests[at]!, requests[at + 1]!];
    all.push(latency);
    if (!taken.some(({ from, to }) => due < to && due + latency > from)) latencies.push(latency);
  }
  return latencies.length < ENOUGH ? { latencies: all, kept: 0 } : { latencies, kept: latencies.length / all.length };
}
