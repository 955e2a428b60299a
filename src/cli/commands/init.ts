import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Argv } from 'yargs';
import { whyUnreadable } from '../../config/files.ts';
import { installation } from '../../installation.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import type { GlobalOptions, OptionsOf } from '../global-options.ts';
import { printLine } from '../output.ts';

const PRESETS = ['socketio', 'signalr', 'jsessionid', 'php', 'express', 'llm', 'bank', 'stream'] as const;

const builder = (argv: Argv<GlobalOptions>) =>
  argv
    .option('preset', { choices: PRESETS, requiresArg: true, describe: 'Made for one kind of application' })
    .option('force', { type: 'boolean', default: false, describe: 'Overwrite the file when it exists' })
    .example(...example('$0 init', 'write limpet.yaml'))
    .example(...example('$0 init --preset socketio -c chat.yaml', 'write chat.yaml for Socket.IO servers'));

/** `limpet init`: a commented configuration file to begin with. */
export const command: Command<OptionsOf<typeof builder>> = {
  builder,
  handler: ({ config: file, preset, force }) => {
    const source = preset === undefined ? 'limpet.yaml' : `examples/${preset}.yaml`;
    const schema = fileURLToPath(new URL('config/limpet.schema.json', installation.root));
    const text = `# yaml-language-server: $schema=${schema}\n${readFileSync(new URL(`config/${source}`, installation.root), 'utf8')}`;
    try {
      writeFileSync(file, text, { flag: force ? 'w' : 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        throw new CliError(`${file} exists already: overwrite it with --force, or name another file with -c`, 1);
      }
      throw new CliError(`cannot write ${file}: ${whyUnwritable(error)}`, 1);
    }
    const named = file === 'limpet.yaml' ? '' : ` -c ${file}`;
    printLine(`wrote ${file}: put your backends in, then run limpet check${named} and limpet start${named}`);
  },
};

function whyUnwritable(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'there is no such directory: create it first';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'permission denied: choose another place with -c';
    default:
      return whyUnreadable(error);
  }
}
