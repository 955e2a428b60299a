import type { RestartsOptions } from './restarts.ts';

const OUTAGES = [300, 1_000, 6_000, 60_000];

/**
 * All ways in which three servers are restarted in turn, with a name for each. One after the other they take half an
 * hour.
 */
export function* matrix(): Generator<[name: string, options: RestartsOptions]> {
  for (const [nodes, redis] of [
    [1, false],
    [2, false],
    [2, true],
  ] as const) {
    const where = `${nodes} node${nodes > 1 ? 's' : ''}${redis ? ' with Redis' : ''}`;
    for (const traffic of [true, false]) {
      const common = { sessions: 200, traffic, nodes, redis };
      const how = traffic ? 'traffic' : 'quiet';
      for (const between of [true, false]) {
        for (const outage of OUTAGES) {
          const name = `${where}, killed for ${outage} ms, ${how}, asked ${between ? 'between' : 'after'}`;
          yield [name, { ...common, how: 'kill', outage, boot: outage === 300, between }];
        }
      }
      yield [
        `${where}, stopped for 20 s, ${how}`,
        { ...common, how: 'stop', outage: 20_000, boot: false, between: true },
      ];
    }
  }
}
