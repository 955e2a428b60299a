/** What a connection to a backend is at. `waiting`: for its turn to connect; `kept`: for the sake of its end alone. */
export const Phase = {
  connecting: 0,
  idle: 1,
  head: 2,
  body: 3,
  tunnel: 4,
  closed: 5,
  waiting: 6,
  kept: 7,
} as const;
