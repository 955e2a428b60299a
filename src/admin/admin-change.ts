import type { AdminState } from '../backends/shared-state.ts';

/** What an operator changed through the admin API. */
export type AdminChange =
  | {
      readonly kind: 'backend';
      readonly pool: string;
      readonly backend: string;
      readonly before: { readonly state: AdminState; readonly weight: number };
      readonly after: { readonly state: AdminState; readonly weight: number };
    }
  /** `key` is the public id; `backend` is null when it is not in the configuration any more. */
  | { readonly kind: 'session-ended'; readonly pool: string; readonly key: string; readonly backend: string | null }
  | {
      readonly kind: 'session-moved';
      readonly pool: string;
      readonly key: string;
      readonly from: string | null;
      readonly to: string;
    }
  /** The sessions that a draining backend still had were moved to others; `stayed` had nowhere to go. */
  | {
      readonly kind: 'backend-evacuated';
      readonly pool: string;
      readonly backend: string;
      readonly moved: number;
      readonly stayed: number;
    };
