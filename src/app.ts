/**
 * The composition root: configuration in, running parts out. Longer than 400 lines because each part is made and handed
 * to the others here, in the order of a start.
 */
import { availableParallelism } from 'node:os';
import { AdminDoor } from './admin/admin-door.ts';
import type { Phase } from './admin/control-plane.ts';
import { EventSources } from './admin/events/event-sources.ts';
import { EventStream } from './admin/events/event-stream.ts';
import { LiveControlPlane } from './admin/live-control-plane.ts';
import { logChange } from './admin/log-change.ts';
import { Readiness } from './admin/readiness.ts';
import type { ReloadOutcome } from './admin/reloads.ts';
import { backendByName } from './backends/backend-by-name.ts';
import type { DiscoveredMember } from './backends/discovery/discovered-member.ts';
import { DnsDiscovery } from './backends/discovery/dns-discovery.ts';
import type { MemberSource } from './backends/discovery/member-source.ts';
import type { Pool } from './backends/pool.ts';
import { SharedState } from './backends/shared-state.ts';
import { StandingConnections } from './backends/standing-connections.ts';
import { memoryLimit } from './config/memory-limit.ts';
import { MOST_BACKENDS } from './config/most-backends.ts';
import type { Config } from './config/schema.ts';
import { watchFile } from './config/watch.ts';
import { StartError } from './errors-start.ts';
import { concludeRefusal } from './health/conclude-refusal.ts';
import { LifeWatch } from './health/life-watch.ts';
import { HealthMonitor } from './health/monitor.ts';
import { Restarts } from './health/restarts.ts';
import { BearerToken } from './keys/bearer-token.ts';
import { loadSecrets } from './keys/secrets.ts';
import { MemoryPressure, Pressure } from './limits/memory-pressure.ts';
import { MemoryWatch } from './limits/memory-watch.ts';
import { RateTable } from './limits/rate-table.ts';
import { allowanceOf } from './listeners/configured-allowance.ts';
import { ConnectionLimits } from './listeners/connection-limits.ts';
import { migrateRequests } from './listeners/request-migration.ts';
import { AuditLog } from './logging/audit-log.ts';
import { EventSequence } from './logging/event-sequence.ts';
import { LogOutput } from './logging/log-output.ts';
import { createLogger } from './logging/logger.ts';
import { loadPrettyFormat } from './logging/pretty-format.ts';
import { RecentEnds } from './logging/recent-ends.ts';
import { CounterSums } from './metrics/counter-sums.ts';
import { Counters } from './metrics/counters.ts';
import { LabelledTotals } from './metrics/labelled-totals.ts';
import { listenerAddresses } from './model/listener-addresses.ts';
import { loadListenerTls } from './model/listener-tls.ts';
import { ModelKeeper } from './model/model-keeper.ts';
import type { RunningModel } from './model/running-model.ts';
import { packageVersion } from './package-version.ts';
import type { RunningLimpet, StartOptions } from './running-limpet.ts';
import { SnapshotKeeper } from './sessions/persistence/snapshot-keeper.ts';
import { createNodeStore } from './sessions/store/create-node-store.ts';
import { SessionTable } from './sessions/table/table.ts';
import { SessionEvents } from './sessions/users/session-events.ts';
import { Users } from './sessions/users/users.ts';
import { Explainer } from './supervisor/explainer.ts';
import { BackendLives } from './supervisor/reload/backend-lives.ts';
import { backendStatuses, knownMembers, livesIn, restoreBackendStatuses } from './supervisor/reload/backend-status.ts';
import { Reloader } from './supervisor/reload/reloader.ts';
import { sessionNames } from './supervisor/reload/session-names.ts';
import { Supervisor } from './supervisor/supervisor.ts';
import { SYSTEM_CLOCK } from './timing/clock.ts';
import { threadWheel } from './timing/thread-wheel.ts';
import { SpanExporter } from './tracing/span-exporter.ts';

/** Names of pools and listeners over all reloads: room for this many more than there are at the start. */
const MORE_POOLS = 256;
const MORE_LISTENERS = 32;
/**
 * Sessions and addresses with a rate limit that are remembered at once, all those that have just sent: 16 bytes each.
 */
const RATE_KEYS = 2 ** 20;
/** The longest that a start waits for the first answers of discovery. */
const DISCOVERY_MS = 5_000;
/** How often departed backends are looked at. */
const TIDY_MS = 500;
/** At a stop, the longest that the collector is waited for to take the last spans. */
const LAST_SPANS_MS = 3_000;
/**
 * The longest that a stop takes beyond its grace, save for a snapshot that is being written, ms. Deadlines end a little
 * later than they are set.
 */
const LAST_MS = 500;

/**
 * Starts limpet in this process.
 * @throws StartError with one line that says what to do; then nothing is left running
 */
export async function startLimpet(options: StartOptions): Promise<RunningLimpet> {
  const undo: (() => unknown)[] = [];
  try {
    return await start(options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error instanceof Error ? error : new StartError(String(error));
  }
}

/** @param undo gets what has to be done, from the last to the first, when the start fails after that */
async function start(
  { config, configFile, overrides = (same) => same, takeOver = false }: StartOptions,
  undo: (() => unknown)[],
): Promise<RunningLimpet> {
  const startedAt = Date.now();
  const output = new LogOutput(config.log.format === 'pretty' ? await loadPrettyFormat() : null);
  undo.push(() => output.close());
  const log = createLogger(config.log.level, output);
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers;
  const { snapshot } = config.sessions;
  const own = loadSecrets(config.sessions.secretFile, snapshot);

  // Shared memory.
  const maxPools = Object.keys(config.pools).length + MORE_POOLS;
  const maxListeners = config.listeners.length + MORE_LISTENERS;
  const stateMemory = SharedState.allocate(workers, MOST_BACKENDS);
  const tableMemory = SessionTable.allocate(
    config.sessions.max,
    MOST_BACKENDS,
    workers + 1,
    maxPools,
    config.sessions.store !== 'memory' || snapshot !== null,
  );
  const counters = Counters.allocate(workers, maxPools, MOST_BACKENDS, maxListeners);
  const limits = ConnectionLimits.allocate(workers, maxListeners, true, allowanceOf(config, workers, log));
  const pressureMemory = MemoryPressure.allocate(workers + 1);
  const pressure = new MemoryPressure(pressureMemory);
  const rates = RateTable.allocate(RATE_KEYS);
  const state = new SharedState(stateMemory, -1);
  const connections = new StandingConnections(state.layout, state.row);
  const table = new SessionTable(tableMemory, 1);

  // What nodes share.
  const nodes = createNodeStore(config.sessions, {
    table,
    memory: tableMemory,
    workers,
    pools: () => keeper.pools,
    log,
    standing: (name) => {
      const backend = backendByName(keeper.pools, name);
      return backend === null ? 0 : connections.count(backend.slot);
    },
    now: Date.now,
  });
  undo.push(() => nodes?.stop());
  const shared = (await nodes?.connect(own, config.sessions.secretFile !== null)) ?? null;
  const { secrets, warning } = shared ?? own;
  if (warning !== null) log.warn({}, warning);

  // What outlives this process.
  const keys = shared === null ? secrets : [shared.keySecret];
  const snapshots = snapshot === null ? null : await SnapshotKeeper.open({ path: snapshot, secrets: keys, log });
  undo.push(() => snapshots?.stop());

  // Who is there.
  const discovery: MemberSource = new DnsDiscovery({ clock: SYSTEM_CLOCK, random: Math.random, log });
  undo.push(() => discovery.close());
  const discover = ({ pools }: Config): void => {
    for (const [name, pool] of Object.entries(pools))
      discovery.start(name, pool, () => void started.promise.then(() => reloader.membersChanged()));
  };
  const started = Promise.withResolvers<void>();
  discover(config);
  await discovery.ready(DISCOVERY_MS);

  // The running model.
  const keeper = new ModelKeeper({
    state,
    counters: new CounterSums(counters),
    sessions: (slot) => table.sessions(slot),
    slots: MOST_BACKENDS,
    pools: maxPools,
    listeners: maxListeners,
    keySecret: shared?.keySecret ?? snapshots?.keySecret ?? secrets[0]!,
  });
  const statuses = snapshots?.backends ?? [];
  /** An answer of before the start counts until the DNS has spoken. */
  const found = ({ pools }: Config): Map<string, readonly DiscoveredMember[]> =>
    new Map(
      Object.keys(pools)
        .filter((name) => pools[name]!.discovery !== null)
        .map((name) => {
          const members = discovery.members(name);
          return [name, members.length > 0 ? members : knownMembers(name, statuses)];
        }),
    );
  keeper.adopt(keeper.plan({ file: config, secrets, tls: loadListenerTls(config), found: found(config) }, true));
  restoreBackendStatuses(keeper, state, statuses);
  setLimits(table, keeper.pools);
  const labelled = new LabelledTotals();
  const restarts = new Restarts({
    count: (...labels) => labelled.add([{ name: 'limpet_backend_restarts_total', labels, count: 1 }]),
    log,
    ...(nodes === null ? {} : { ask: (backend, life) => void concludeRefusal(nodes, restarts, backend, life) }),
    onEnd: () => nodes?.flush(),
    now: Date.now,
  });
  const lives = new BackendLives(keeper, state, restarts);
  lives.learn(livesIn(statuses), true);
  await nodes?.learnLives(lives);
  await snapshots?.load({
    table,
    names: sessionNames(keeper, lives),
    backends: () => backendStatuses(keeper, state, lives),
  });

  const users = new Users({
    table,
    sessions: config.sessions.max,
    pools: () => keeper.pools,
    keySecret: keeper.model.keySecret,
    shared: nodes?.names ?? null,
    log,
    now: Date.now,
  });
  await users.update();

  const eventSequence = EventSequence.allocate(workers + 1);
  const ends = new RecentEnds();
  const audit = new AuditLog({
    ends,
    sequence: eventSequence,
    threads: workers + 1,
    user: (a, b) => users.names.name(a, b),
    labelled,
    log,
  });
  undo.push(() => audit.close());
  audit.open(config.log.audit);
  const tableEvents = new SessionEvents(audit, (index) => keeper.pools.find((pool) => pool.index === index), Date.now);
  const observe = (): void => {
    tableEvents.endsOnly = !audit.isOn;
    table.observer = tableEvents;
  };
  observe();
  const spans = new SpanExporter({ version: packageVersion(), labelled, log });
  spans.change(config.tracing.otlp);
  const { tokenFile } = config.admin;
  const token = tokenFile === null ? null : BearerToken.fromFile(tokenFile);
  const supervisor = new Supervisor({
    workers,
    sockets: config.sockets,
    start: {
      state: stateMemory,
      table: tableMemory,
      store: nodes?.shared ?? null,
      counters,
      limits,
      pressure: pressureMemory,
      rates,
      eventSequence,
      token: token?.check ?? null,
      takesOver: takeOver,
    },
    state,
    table,
    users,
    labelled,
    output,
    audit,
    spans,
    log,
    onLastLost: (slot) => lifeWatch.look(slot),
    onRefuses: (slot, life) => {
      const backend = keeper.pools.flatMap(({ backends }) => backends).find((one) => one.slot === slot);
      if (backend !== undefined) restarts.end(backend, life, 'refused');
    },
  });
  const letGo = (slot: number): void => supervisor.broadcast({ kind: 'let-go', slot });
  const lifeWatch = new LifeWatch({ state, restarts, clock: SYSTEM_CLOCK, log, letGo });
  const readiness = new Readiness();
  readiness.add(() => {
    const { stuck } = supervisor;
    return stuck.length === 0
      ? null
      : `of ${workers} workers ${stuck.length} make${stuck.length === 1 ? 's' : ''} no progress`;
  });
  readiness.add(() => (pressure.level === Pressure.none ? null : 'memory is short (limits.memory)'));
  const mostMemory = (): number => memoryLimit(keeper.model.config.limits.memory);
  const memoryWatch = new MemoryWatch({ pressure, thread: 0, limit: mostMemory, log, clock: SYSTEM_CLOCK });
  let phase: Phase = 'starting';
  const stream = new EventStream();
  const events = new EventSources({
    stream,
    labelled,
    phase: () => phase,
    restarts: () => supervisor.restarts,
    evictions: () => table.evictions,
    ...(nodes === null ? {} : { store: () => nodes.view }),
  });
  const monitor = new HealthMonitor({
    state,
    logger: log,
    lives: lifeWatch,
    onChange: (change) => {
      events.health(change);
      const { backend, to } = change;
      if (to === 'down' || to === 'ejected') supervisor.broadcast({ kind: 'down', slot: backend.slot });
    },
  });

  const reloader = new Reloader({
    file: configFile,
    overrides,
    keeper,
    replace: (model) => supervisor.replace(model),
    secrets: ({ sessions }) =>
      sessions.secretFile === null ? { secrets, warning: null } : loadSecrets(sessions.secretFile),
    onAdopted: (model, pools, before) => {
      log.level = model.config.log.level;
      audit.change(model.config.log.audit);
      spans.change(model.config.tracing.otlp);
      observe();
      setLimits(table, pools);
      void users.update();
      monitor.update(pools);
      if (model.generation !== before.generation) lifeWatch.forgive();
      discover(keeper.sources.file);
      for (const name of before.pools.keys()) if (!model.pools.has(name)) discovery.stop(name);
      watch(model);
    },
    after: started.promise,
    found,
    log,
  });

  const listeners = () => listenerAddresses(keeper.model, supervisor.ports);
  const readAgain = async (): Promise<ReloadOutcome> => {
    const outcome = await reloader.reload();
    events.reloaded(outcome);
    return outcome;
  };
  const explainer = new Explainer({
    model: () => keeper.model,
    state,
    table,
    rates: new RateTable(rates, 1),
    shared: nodes,
    turns: supervisor.turns,
    address: () => listeners()[0]!.address,
    now: Date.now,
    log,
  });
  const control = new LiveControlPlane({
    version: packageVersion(),
    startedAt,
    now: Date.now,
    phase: () => phase,
    readiness,
    pools: () => keeper.pools,
    discovered: () => keeper.model.discovered,
    memory: () => ({ short: pressure.level !== Pressure.none, used: pressure.used, limit: mostMemory() }),
    configGeneration: () => keeper.model.generation,
    listeners,
    workers: {
      running: () => supervisor.running,
      restarts: () => supervisor.restarts,
      engines: () => supervisor.engines.inUse,
    },
    turns: supervisor.turns,
    state,
    table,
    users: users.names,
    counters,
    labelled,
    restarts,
    events: stream,
    journal: () => audit,
    ends,
    explain: (query) => explainer.explain(query),
    onAdminChange: (change) => {
      logChange(log, change);
      events.admin(change);
      // Maintenance stops bound traffic too: what waits for an answer there may go elsewhere (behaviour 39).
      if (change.kind === 'backend' && change.after.state === 'maintenance' && change.before.state !== 'maintenance') {
        const backend = keeper.pools.find(({ name }) => name === change.pool)?.byId.get(change.backend);
        if (backend !== undefined) supervisor.broadcast({ kind: 'down', slot: backend.slot });
      }
    },
    ...(nodes === null
      ? {}
      : {
          store: () => nodes.view,
          onSessionEnded: () => nodes.flush(),
          onSessionMoved: () => nodes.flush(),
          lookup: (id: string) => nodes.lookup(id),
        }),
    ...(configFile === null ? {} : { reload: readAgain, preview: (text: string) => reloader.preview(text) }),
  });
  const reload = (): Promise<ReloadOutcome> => control.reloads?.run() ?? readAgain();

  let watching: { close(): void } | null = null;
  const watch = ({ config: { watch: on } }: RunningModel): void => {
    if (on === (watching !== null) || configFile === null) return;
    watching?.close();
    watching = on ? watchFile(configFile, () => void reload()) : null;
  };

  let admin: AdminDoor | null = null;
  const takenOver = Promise.withResolvers<void>();
  const tidying = setInterval(() => reloader.tidy(), TIDY_MS);
  tidying.unref();
  const close = async (graceMs: number): Promise<void> => {
    clearInterval(tidying);
    memoryWatch.stop();
    watching?.close();
    discovery.close();
    started.resolve();
    // Nothing holds a stop for longer than this: what has not ended by then is left as it is.
    threadWheel.start();
    const until = threadWheel.at(graceMs + LAST_MS);
    const left = (): number => Math.max(0, until - threadWheel.now);
    supervisor.halt();
    await reloader.stop();
    const restore = migrateRequests();
    await supervisor.stop(graceMs);
    restore();
    await Promise.all([
      nodes?.stop(left()),
      snapshots?.stop(left()),
      monitor.stop(),
      spans.stop(Math.min(left(), LAST_SPANS_MS)),
    ]);
    events.stop();
    await Promise.all([admin?.close(left()), audit.close(left())]);
    await output.close(left());
    threadWheel.stop();
  };
  // From here on a stop and a start that fails end in the same way.
  undo.length = 0;
  undo.push(() => close(0));
  const { bind } = config.admin;
  admin = bind === null ? null : await AdminDoor.open({ ...config.admin, bind }, control, log, takeOver);
  monitor.start(keeper.pools);
  events.start();
  nodes?.run();
  await supervisor.start(keeper.model);
  memoryWatch.start();
  watch(keeper.model);
  await snapshots?.start(takenOver.resolve);
  phase = 'ready';
  started.resolve();
  const addresses = listeners().map(({ address }) => address);
  log.info(
    {
      version: packageVersion(),
      workers,
      sockets: supervisor.engines.inUse.join(', '),
      listeners: addresses,
      admin: admin?.address ?? null,
    },
    'limpet takes traffic',
  );
  if (takeOver && snapshots?.takeOver() !== true) log.warn({}, 'there is no other limpet to take over from');
  return {
    addresses,
    adminAddress: admin?.address ?? null,
    takenOver: takenOver.promise,
    reload,
    stop: async (graceMs = keeper.model.config.shutdown.grace) => {
      phase = 'stopping';
      log.info({ graceMs }, 'limpet stops');
      await close(graceMs);
    },
    stopNow: () => {
      audit.flushSync();
      output.flushSync();
    },
    reopenLogs: () => audit.reopen(),
  };
}

function setLimits(table: SessionTable, pools: readonly Pool[]): void {
  for (const pool of pools) table.setLimits(pool.index, pool.config.session.idle, pool.config.session.lifetime);
}
