// All ways in which three servers are restarted in turn: node test/scenarios/restarts/matrix.ts [words that the line must contain]. Not a part of the test run: the whole takes half an hour.
import { playRestarts, type RestartsOptions } from './restarts.ts';

const outages = [300, 1_000, 6_000, 60_000];
const cases: RestartsOptions[] = [];
for (const [nodes, redis] of [
  [1, false],
  [2, false],
  [2, true],
] as const) {
  for (const runtime of [true, false]) {
    for (const between of [true, false])
      for (const outage of outages)
        cases.push({ sessions: 200, how: 'kill', outage, boot: outage === 300, runtime, nodes, redis, between });
    cases.push({ sessions: 200, how: 'stop', outage: 20_000, boot: false, runtime, nodes, redis, between: true });
  }
}
const words = process.argv.slice(2);
let bad = 0;
for (const options of cases) {
  const { how, outage, runtime, nodes, redis, between } = options;
  const name = `${nodes} node${nodes > 1 ? 's' : ''}${redis ? ' redis' : ''}, ${how} ${outage} ms, ${runtime ? 'runtime' : 'quiet'}, ${between ? 'asked between' : 'asked after'}`;
  if (!words.every((word) => name.includes(word))) continue;
  const { requests, wrong, errors, moves } = await playRestarts(options);
  const isBad = wrong.length > 0 || errors.length > 0;
  if (isBad) bad++;
  console.log(
    `${isBad ? 'BAD ' : 'good'} ${name}: ${requests} answers, moves ${JSON.stringify(moves)}, ${errors.length} errors, ${wrong.length} wrong`,
  );
  for (const line of [...new Set([...errors, ...wrong])].slice(0, 6)) console.log(`       ${line}`);
}
process.exitCode = bad > 0 ? 1 : 0;
