import yargs from 'yargs';
import { StartError } from '../errors-start.ts';
import { sourceStack } from '../logging/source-stack.ts';
import { packageVersion } from '../package-version.ts';
import { CliError } from './cli-error.ts';
import { commandList } from './command-list.ts';
import { cookieArguments } from './cookie-arguments.ts';
import { example } from './example.ts';
import { globalOptions } from './global-options.ts';
import { printError, printLine } from './output.ts';

/**
 * Runs the command that the arguments name, and resolves with the exit status:
 * 0 done, 1 failed at run time, 2 bad usage or bad configuration. Errors are printed, one line each.
 */
export async function run(args: readonly string[]): Promise<number> {
  // As the script of `limpet completion` asks: with the line that is being written, from the name of the program on.
  const completing = args[0] === '--get-yargs-completions';
  if (completing) {
    const { complete } = await import('./complete.ts');
    const found = complete(args.slice(2));
    for (const word of found ?? []) printLine(word);
    if (found !== null) return 0;
  }
  const commands = await commandList(args);
  const parser = globalOptions(yargs(cookieArguments(args)))
    .scriptName('limpet')
    .locale('en')
    .usage('$0 <command> [-c limpet.yaml]\n\nKeeps every session on the backend that holds its state.')
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .parserConfiguration({
      'duplicate-arguments-array': false,
      'parse-positional-numbers': false,
      'dot-notation': false,
    })
    .command(commands)
    .example(...example('$0 init && $0 check && $0 start', 'write limpet.yaml, validate it, run'))
    .completion('completion', 'Print a completion script for the shell')
    .demandCommand(1, 'no command: limpet --help lists them')
    .recommendCommands()
    .strict()
    .strictCommands()
    // What it completes it prints, and does not come back.
    .exitProcess(completing)
    .fail((message, error) => {
      throw error ?? new CliError(usageLine(message), 2);
    })
    .wrap(Math.min(process.stdout.columns ?? 100, 120));
  try {
    await parser.parseAsync();
    return 0;
  } catch (error) {
    return explain(error);
  }
}

/** What yargs has to say about the arguments, on one line. */
function usageLine(message: string): string {
  const line = message.replace(/\s*\n\s*/g, ' ').trim();
  if (line.startsWith('no command')) return line;
  if (line.startsWith('Did you mean')) return `no such command. ${line} limpet --help lists all`;
  const file = /^Unknown (?:command|argument)s?: (\S+\.ya?ml)$/i.exec(line)?.[1];
  if (file !== undefined) return `a configuration file is named with -c: -c ${file}`;
  if (line.startsWith('Not enough non-option')) return 'an argument is missing; --help says which';
  return `${line.charAt(0).toLowerCase()}${line.slice(1)}; --help says what is allowed`;
}

function explain(error: unknown): number {
  if (error instanceof CliError) {
    for (const line of error.lines) printError(line);
    return error.status;
  }
  // What the parser of the arguments throws.
  if (error instanceof Error && error.name === 'YError') return explain(new CliError(usageLine(error.message), 2));
  if (error instanceof StartError) {
    printError(`limpet: ${error.message}`);
    return 1;
  }
  // A defect: the stack is what its author needs.
  console.error('limpet: %s', error instanceof Error ? sourceStack(error.stack ?? error.message) : String(error));
  return 1;
}
