import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { type ConfigError, formatConfigError } from '../config/config-error.ts';
import { whyUnreadable } from '../config/files.ts';
import type { AdminOptions } from './admin-options.ts';
import { type AdminTarget, adminTarget } from './admin-target.ts';
import { CliError } from './cli-error.ts';
import { harmless } from './output.ts';

const TIMEOUT_MS = 10_000;

/** How to make one call. */
interface CallOptions {
  /** Longest time to wait for the answer. */
  readonly timeoutMs?: number;
  /** The name of a configuration that was sent as text: its mistakes are told with it. */
  readonly file?: string;
}

const NOT_RUNNING = ['ECONNREFUSED', 'ENOENT', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'];
/** Code of the error of a call that was sent and is not answered in time. */
const NO_ANSWER = 'NO_ANSWER';

/** Talks to the admin API of a running limpet; everything that goes wrong is a CliError of one line. */
export class AdminClient {
  readonly #target: AdminTarget;
  readonly #token: string | null;
  readonly #agent = new Agent({ keepAlive: true });

  /** A client of the admin API that the options name, or else the configuration file. */
  static open(options: AdminOptions): AdminClient {
    const target = adminTarget(options);
    return new AdminClient(target, target.tokenFile === null ? null : readToken(target.tokenFile));
  }

  private constructor(target: AdminTarget, token: string | null) {
    this.#target = target;
    this.#token = token;
  }

  /** Closes its connections; a call that is under way fails. */
  close(): void {
    this.#agent.destroy();
  }

  /**
   * The JSON document of the answer; null when it has no body. What refuses a configuration is a CliError of status 2
   * with a line for each mistake.
   */
  async call(
    method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    { timeoutMs = TIMEOUT_MS, file }: CallOptions = {},
  ): Promise<unknown> {
    let status: number;
    let text: string;
    try {
      [status, text] = await this.#ask(method, path, body, timeoutMs);
    } catch (error) {
      throw new CliError(this.#why(error, timeoutMs), 1);
    }
    const document = parseJson(text);
    if (status === 401 || status === 403) {
      throw new CliError(
        this.#token === null
          ? `limpet at ${this.#target.shown} wants a token: name its file with --token-file, or in admin.tokenFile of the configuration file`
          : `limpet at ${this.#target.shown} refuses the token of ${this.#target.tokenFile}: name the file that limpet was started with in --token-file`,
        1,
      );
    }
    const mistakes = status === 422 ? configMistakes(document, file) : [];
    if (mistakes.length > 0) throw new CliError(mistakes, 2);
    if (status < 200 || status > 299) throw new CliError(problem(document, status, this.#target.shown), 1);
    if (document === undefined && text !== '') {
      throw new CliError(
        `${this.#target.shown} does not answer like limpet's admin API: name the right address with --admin`,
        1,
      );
    }
    return document ?? null;
  }

  /** Status and body of an answer. Rejects with the error of the system, or of code NO_ANSWER. */
  async #ask(method: string, path: string, body: unknown, timeoutMs: number): Promise<[number, string]> {
    const { origin, socketPath } = this.#target;
    const { promise, resolve, reject } = Promise.withResolvers<[number, string]>();
    const call = request(`${origin}${path}`, {
      method,
      agent: this.#agent,
      timeout: timeoutMs,
      ...(socketPath === null ? {} : { socketPath }),
      headers: {
        accept: 'application/json',
        ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
    });
    call.on('response', (response) => {
      readText(response).then((text) => resolve([response.statusCode ?? 0, text]), reject);
    });
    call.on('timeout', () => {
      const code = call.socket?.connecting === false ? NO_ANSWER : 'ETIMEDOUT';
      call.destroy(Object.assign(new Error(code), { code }));
    });
    call.on('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }

  #why(error: unknown, timeoutMs: number): string {
    const { shown } = this.#target;
    const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
    if (NOT_RUNNING.includes(code)) {
      return `cannot reach limpet at ${shown} (${code}): start it with limpet start, or name its admin API with --admin`;
    }
    if (code === 'EACCES' || code === 'EPERM') return `may not open ${shown}: run this command as the user of limpet`;
    if (code === NO_ANSWER) {
      return `limpet at ${shown} does not answer within ${timeoutMs / 1000} s: look at its log`;
    }
    return `cannot talk to limpet at ${shown}: ${harmless(message)}`;
  }
}

function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new CliError(`cannot read the token in ${file}: ${whyUnreadable(error)}`, 1);
  }
  // What RFC 6750 section 2.1 allows in a header; anything else would be a broken request.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new CliError(`${file} holds no token: it has to be one line without spaces`, 1);
  return token;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One line for each mistake of a configuration; empty when the answer is about something else. */
function configMistakes(document: unknown, file: string | undefined): string[] {
  const { errors } = (document ?? {}) as { errors?: unknown };
  if (!Array.isArray(errors)) return [];
  return (errors as Partial<ConfigError>[]).flatMap((error) => {
    const { file: named, line, column, path, message } = error ?? {};
    if (typeof named !== 'string' || typeof line !== 'number' || typeof column !== 'number') return [];
    return [harmless(formatConfigError({ file: file ?? named, line, column, path: `${path}`, message: `${message}` }))];
  });
}

/** The sentence of an application/problem+json document (RFC 9457). */
function problem(document: unknown, status: number, shown: string): string {
  const { title, detail } = (typeof document === 'object' && document !== null ? document : {}) as Record<
    string,
    unknown
  >;
  // The title only says what the status says (section 4.2.1), when there is a sentence for this case.
  const sentence = [detail, title].find((part): part is string => typeof part === 'string' && part !== '');
  return sentence === undefined
    ? `limpet at ${shown} answers with status ${status}: look at its log`
    : harmless(sentence);
}
