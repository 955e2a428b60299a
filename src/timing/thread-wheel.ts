import { TimerWheel } from './timer-wheel.ts';

/** The wheel of this thread, by which all its deadlines go. */
export const threadWheel = new TimerWheel();
