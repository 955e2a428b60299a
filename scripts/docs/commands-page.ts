import { format } from 'node:util';
import { run } from '../../src/cli/run.ts';
import { GENERATED } from './markdown.ts';

const INTRODUCTION = `# Commands

${GENERATED("the commands' own help")}

Exit status: 0 done, 1 failed at run time, 2 wrong usage or a wrong configuration. Errors go to standard error, one a line.
Commands that talk to a running limpet find it by \`admin.bind\` and \`admin.tokenFile\` of the configuration file, or by \`--admin\` and \`--token-file\`.
\`limpet completion >> ~/.bashrc\` completes commands and options in the shell.
`;

/** Makes docs/reference/commands.md: what --help says of each command. */
export async function commandsPage(): Promise<string> {
  const lines = [INTRODUCTION];
  for (const command of await commandsBelow([])) {
    lines.push(`${command.length === 1 ? '##' : '###'} limpet ${command.join(' ')}`, '');
    lines.push('```text', (await help(command)).trimEnd(), '```', '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Every command in the order of the help, each before those within it. */
async function commandsBelow(command: readonly string[]): Promise<string[][]> {
  const listed = /^Commands:\n((?: {2}.*\n)+)/m.exec(await help(command))?.[1] ?? '';
  const found: string[][] = [];
  for (const match of listed.matchAll(/^ {2}limpet ((?:[a-z-]+ )*[a-z-]+)/gm)) {
    const words = match[1]!.split(' ');
    // Its help is the script that it prints.
    if (words[0] === 'completion') continue;
    found.push(words, ...(await commandsBelow(words)));
  }
  return found;
}

/** What `limpet COMMAND --help` prints where the output is no terminal. */
async function help(command: readonly string[]): Promise<string> {
  const { log } = console;
  const columns = Object.getOwnPropertyDescriptor(process.stdout, 'columns');
  let text = '';
  console.log = (...values: unknown[]) => {
    text += `${format(...values)}\n`;
  };
  Object.defineProperty(process.stdout, 'columns', { value: undefined, configurable: true });
  try {
    await run([...command, '--help']);
  } finally {
    console.log = log;
    if (columns === undefined) delete (process.stdout as { columns?: number }).columns;
    else Object.defineProperty(process.stdout, 'columns', columns);
  }
  return text;
}
