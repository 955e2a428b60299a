import { isDeepStrictEqual } from 'node:util';
import type { Preview } from '../../admin/live-parts.ts';
import type { ReloadOutcome } from '../../admin/reloads.ts';
import { buildPools } from '../../backends/build-pools.ts';
import type { DiscoveredMember } from '../../backends/discovery/discovered-member.ts';
import type { Pool } from '../../backends/pool.ts';
import { type ConfigError, formatConfigError } from '../../config/config-error.ts';
import { diffConfig } from '../../config/diff.ts';
import { changedFixedKeys } from '../../config/fixed-keys.ts';
import type { LoadedConfig, RefusedConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import type { TlsMaterial } from '../../config/tls-material.ts';
import { StartError } from '../../errors-start.ts';
import type { Secrets } from '../../keys/secrets.ts';
import type { Logger } from '../../logging/logger.ts';
import { loadListenerTls } from '../../model/listener-tls.ts';
import { resolveMembers } from '../../model/members.ts';
import type { ModelKeeper, ModelPlan, ModelSources } from '../../model/model-keeper.ts';
import type { RunningModel } from '../../model/running-model.ts';
import { changedContents, type FileContents, fileContents } from './file-contents.ts';
import { type ReadRequest, readBeside } from './read-beside.ts';

/** What a Reloader works with. */
interface ReloaderParts {
  /** Null: the configuration came from elsewhere and cannot be read again. */
  readonly file: string | null;
  /** What the command line says over the file. */
  readonly overrides: (config: Config) => Config;
  readonly keeper: ModelKeeper;
  /** Lets all workers go by a model; null, or why it cannot be. */
  readonly replace: (model: RunningModel) => Promise<string | null>;
  readonly secrets: (config: Config) => Secrets;
  /** A model is in effect, in place of `before`. */
  readonly onAdopted: (model: RunningModel, pools: readonly Pool[], before: RunningModel) => void;
  /** Nothing changes before this has settled: limpet is still starting. Never rejects. */
  readonly after: Promise<void>;
  /** What discovery knows of the pools of a configuration. */
  readonly found: (config: Config) => ReadonlyMap<string, readonly DiscoveredMember[]>;
  readonly log: Logger;
}

/**
 * Everything that makes another model, one at a time: the file read again, an answer of discovery, a backend that has
 * drained. Whatever fails leaves all as it was (behaviour 44).
 */
export class Reloader {
  readonly #parts: ReloaderParts;
  #turn: Promise<unknown>;
  #reading: Promise<unknown> = Promise.resolve();
  readonly #stopping = new AbortController();
  #stopped = false;
  #contents: FileContents;

  constructor(parts: ReloaderParts) {
    this.#parts = parts;
    this.#contents = fileContents(parts.keeper.sources.file);
    this.#turn = parts.after;
  }

  /** Reads the file again and goes by it. One that comes while another is under way waits for it. */
  reload(): Promise<ReloadOutcome> {
    return this.#inTurn(async () => {
      const { log } = this.#parts;
      const outcome = await this.#reload();
      if (outcome.ok) {
        const { generation, changes } = outcome;
        for (const warning of outcome.warnings) log.warn({}, warning);
        log.info(
          { generation, changes },
          changes.length === 0 ? 'reload: nothing changed' : 'reload: configuration changed',
        );
      } else {
        log.error({ errors: outcome.errors.map(formatConfigError) }, 'reload refused: nothing has changed');
      }
      return outcome;
    });
  }

  /** What a file would change, without doing it. @param text the file's content */
  async preview(text: string): Promise<Preview> {
    const next = this.#check(await this.#read({ file: this.#parts.file ?? 'limpet.yaml', text }));
    if ('errors' in next) return next;
    const { model, sources } = this.#parts.keeper;
    // Pools and backends that are not there yet need places only to be told apart.
    const { config, departing } = resolveMembers({
      file: next.config,
      found: this.#parts.found(next.config),
      before: model.config,
      stays: () => true,
    });
    const slots = new Map(model.slots);
    const taken = new Set([...slots.values()].map(({ slot }) => slot));
    let free = 0;
    for (const [pool, { backends }] of Object.entries(config.pools)) {
      for (const { id } of backends) {
        const name = `${pool}/${id}`;
        if (slots.has(name)) continue;
        while (taken.has(free)) free++;
        taken.add(free);
        slots.set(name, { slot: free, generation: 1 });
      }
    }
    const indices = new Map(Object.keys(config.pools).map((name, at) => [name, model.pools.get(name) ?? -1 - at]));
    return {
      pools: buildPools(config, slots, { indices, departing }),
      changes: diffConfig(sources.file, next.config),
    };
  }

  /** Discovery has found other members, or one has nothing left to do. */
  membersChanged(): Promise<void> {
    return this.#inTurn(async () => {
      const { sources } = this.#parts.keeper;
      await this.#goBy({ ...sources, found: this.#parts.found(sources.file) }, false);
    });
  }

  /** To be called now and then: lets go of backends that have drained. */
  tidy(): void {
    if (this.#parts.keeper.tidy()) void this.membersChanged();
  }

  /** Waits for what is under way; nothing changes any more after that. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopping.abort();
    await this.#turn.catch(() => {});
  }

  async #reload(): Promise<ReloadOutcome> {
    const { file, keeper } = this.#parts;
    if (file === null) return { ok: false, errors: [problem('', 'limpet was started without a configuration file')] };
    const next = this.#check(await this.#read({ file, text: null }));
    if ('errors' in next) return { ok: false, errors: next.errors };
    const { unreadable, warnings } = next;
    if (unreadable.length > 0) return { ok: false, errors: unreadable };
    const before = keeper.sources;
    let secrets: Secrets;
    let tls: ReadonlyMap<string, TlsMaterial>;
    try {
      secrets = this.#parts.secrets(next.config);
      tls = loadListenerTls(next.config);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      return { ok: false, errors: [problem(file, error.message)] };
    }
    const found = this.#parts.found(next.config);
    const contents = fileContents(next.config);
    const failure = await this.#goBy({ file: next.config, secrets: secrets.secrets, tls, found }, true);
    if (failure !== null) return { ok: false, errors: [problem(file, failure)] };
    const changes = diffConfig(before.file, next.config);
    if (!sameSecrets(before.secrets, secrets.secrets))
      changes.push({ path: 'sessions.secretFile (its content)', change: 'changed' });
    for (const [key, material] of tls) {
      const was = before.tls.get(key);
      if (was !== undefined && !isDeepStrictEqual(was, material))
        changes.push({ path: `listeners.${key}.tls (content of its files)`, change: 'changed' });
    }
    changes.push(...changedContents(this.#contents, contents));
    this.#contents = contents;
    return { ok: true, generation: keeper.model.generation, changes, warnings };
  }

  /** One at a time, whoever asks: each may take a thread. */
  #read(request: ReadRequest): Promise<LoadedConfig | RefusedConfig> {
    const result = this.#reading.then(() => readBeside(request, this.#stopping.signal));
    this.#reading = result.catch(() => {});
    return result;
  }

  #check(loaded: LoadedConfig | RefusedConfig): LoadedConfig | RefusedConfig {
    if ('errors' in loaded) return loaded;
    const config = this.#parts.overrides(loaded.config);
    const fixed = changedFixedKeys(this.#parts.keeper.sources.file, config);
    if (fixed.length > 0) {
      const how =
        'cannot change while limpet runs: put it back, or start a new limpet that takes over (start --take-over)';
      return { errors: fixed.map((path) => loaded.errorAt(path, how)) };
    }
    return { ...loaded, config };
  }

  /** Null, or why it cannot be. */
  async #goBy(sources: ModelSources, reread: boolean): Promise<string | null> {
    const { keeper, replace, onAdopted, log } = this.#parts;
    if (this.#stopped) return 'limpet is stopping';
    let plan: ModelPlan;
    try {
      plan = keeper.plan(sources, reread);
    } catch (error) {
      log.error({ err: error }, 'the pools cannot be changed');
      return (error as Error).message;
    }
    const failure = await replace(plan.model);
    if (failure !== null) {
      keeper.discard(plan);
      if (!reread) log.error({ problem: failure }, 'the pools cannot be changed');
      return failure;
    }
    const before = keeper.model;
    keeper.adopt(plan);
    onAdopted(plan.model, plan.pools, before);
    return null;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch((error: unknown) => {
      this.#parts.log.error({ err: error }, 'defect in a reload: please report it with this line');
    });
    return result;
  }
}

function problem(file: string, message: string): ConfigError {
  return { file, line: 0, column: 0, path: '', message };
}

function sameSecrets(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  return one.length === other.length && one.every((secret, at) => Buffer.compare(secret, other[at]!) === 0);
}
