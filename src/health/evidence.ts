/**
 * What a failed attempt says against its backend, in health/outlier.ts. `none`: nothing, as when a response goes quiet
 * in its middle. `request`: it may be the request's own doing (a reset or end before the response head, or none in
 * time), and `status` is 502, 503 or 504. `connect`: nobody could have provoked it.
 */
export const Evidence = { none: 0, request: 1, status: 2, connect: 3 } as const;
