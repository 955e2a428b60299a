/** How long a graceful stop leaves, ms: `shutdown` of the configuration. */
export interface StopTimes {
  /** For what is under way. */
  readonly grace: number;
  /** For a next request on a connection that is idle. */
  readonly idle: number;
}
