import type { CommandModule } from 'yargs';
import type { GlobalOptions } from './global-options.ts';

/**
 * What a command takes and does. Its name and its sentence are in the list of commands (command-list.ts), which is read
 * without it.
 */
export type Command<Options> = Required<Pick<CommandModule<GlobalOptions, Options>, 'builder' | 'handler'>>;
