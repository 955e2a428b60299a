/** What parts of the data path cost, in ns of CPU time: `npm run bench:micro -- [AREA…] [--rounds N]`. */
import { parseArgs } from 'node:util';
import { BenchError } from '../bench-error.ts';
import { OWN_ROOT } from '../proxies/limpet.ts';
import { spread } from '../statistics.ts';
import { withProcesses } from '../with-processes.ts';
import { chosenSuites, sampleIn } from './samples.ts';

await withProcesses(async (processes) => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string' } } });
  const rounds = Number(values.rounds ?? 3);
  if (!Number.isInteger(rounds) || rounds < 1) throw new BenchError('--rounds must be a whole number of at least 1');
  const names = chosenSuites(positionals);
  const samples = [];
  for (let round = 0; round < rounds; round++) samples.push(await sampleIn(processes, OWN_ROOT, names));
  for (const subject of Object.keys(samples[0]!)) {
    const values = samples.map((sample) => sample[subject]);
    const numbers = values.filter((value) => typeof value === 'number');
    const { median, min, max } = spread(numbers);
    if (numbers.length < rounds)
      console.log(`${subject}: FAILED: ${values.find((value) => typeof value === 'string')}`);
    else console.log(`${subject}: ${median.toFixed(1)} ns (${min.toFixed(1)} to ${max.toFixed(1)})`);
  }
  return 0;
});
