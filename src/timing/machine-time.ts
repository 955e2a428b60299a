/**
 * What turns `performance.now()` of this thread into a time that all threads of this machine share and that nobody can
 * set: add it. In milliseconds. Each thread's `performance.now()` counts from its own start; `process.hrtime` is one
 * clock for all, but allocates.
 */
export const MACHINE_TIME = Number(process.hrtime.bigint()) / 1e6 - performance.now();
