import type { BackendQueue } from '../backends/queue.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { Logger } from '../logging/logger.ts';
import type { SessionJournal } from '../logging/session-journal.ts';
import type { Counters } from '../metrics/counters.ts';
import type { LabelledCounters } from '../metrics/labelled-counters.ts';
import type { Router } from '../routing/router.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import type { NewUsers } from '../sessions/users/new-users.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';
import { WallClock } from '../timing/wall-clock.ts';
import type { SessionTurns } from '../turns/session-turns.ts';
import type { ConnectedPool } from '../upstream/connected-pool.ts';
import { Attempts } from './attempts.ts';
import type { ExplainAccess } from './explain/explained-request.ts';
import { Handler } from './handler.ts';
import { RequestHeads } from './request-heads.ts';
import { RequestIds } from './request-ids.ts';
import type { RequestRecorder } from './request-recorder.ts';
import { REQUEST_STEPS } from './request-steps.ts';
import { SessionStep } from './steps/session-step.ts';
import { SessionUser } from './steps/session-user.ts';

/** The parts of a worker that carry requests. */
interface WorkerParts {
  readonly wheel: TimerWheel;
  readonly router: Router;
  readonly pools: readonly ConnectedPool[];
  readonly state: SharedState;
  readonly queue: BackendQueue;
  readonly table: SessionTable;
  readonly store: SessionStore;
  readonly turns: SessionTurns;
  readonly newUsers: NewUsers;
  readonly counters: Counters;
  readonly labelled: LabelledCounters;
  readonly recorder: RequestRecorder;
  /** Null: the audit log is off, which a reload may change. */
  readonly journal: () => SessionJournal | null;
  /** Told whose request is worked on: what becomes of rows meanwhile is noted with the address. */
  readonly requester: { client: string };
  /** Who may have decisions explained in responses; null: nobody, as there is no admin token. */
  readonly explain: ExplainAccess | null;
  readonly log: Logger;
  /** Random text that makes request ids unique over workers and restarts. */
  readonly requestIdPrefix: string;
}

/** Makes the handler of a worker, with the steps that requests pass and what takes them over behind it. */
export function buildHandler(parts: WorkerParts): Handler {
  const session = new SessionStep(parts);
  const users = new SessionUser(parts);
  const steps = REQUEST_STEPS.map((kind) => kind.make({ ...parts, session, users }));
  const shared = {
    ...parts,
    clock: new WallClock(),
    heads: new RequestHeads(),
    ids: new RequestIds(parts.requestIdPrefix),
  };
  return new Handler({
    ...shared,
    session,
    steps,
    ends: (chooser) => new Attempts({ ...shared, users, steps }, chooser),
  });
}
