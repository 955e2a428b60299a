// The command line: runs when it is imported (bin/limpet.js does so).
import { hideBin } from 'yargs/helpers';
import { run } from './run.ts';

// The reader of a pipe may leave early, as head does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(hideBin(process.argv));
