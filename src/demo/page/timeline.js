/** What happened, newest first. Kept for the tab, so that it outlives a reload of the page. */
import { tint } from './tint.js';

const KEY = 'tidepool-timeline';
const MAX = 60;
const list = document.getElementById('timeline');
const memory = load();

/** How many requests of this tab have been answered. */
export function requestNumber() {
  return memory.requests;
}

/** Notes that the shop answered a request; checks that follow each other share one line. */
export function noteRequest(server, what) {
  memory.requests += 1;
  const number = memory.requests;
  const newest = memory.entries[0];
  if (what === null && newest?.checksFrom !== undefined && newest.server === server) {
    newest.text = `Requests ${newest.checksFrom} to ${number}, just looking: answered by\u00a0${server}`;
    newest.at = Date.now();
    save();
    fill(list.firstElementChild, newest);
    return;
  }
  if (what === null)
    add({ text: `Request ${number}, just looking: answered by\u00a0${server}`, server, checksFrom: number });
  else add({ text: `Request ${number}, ${what}: answered by\u00a0${server}`, server });
}

/** Notes something that matters more than a request; `bad`: something went away. */
export function noteEvent(text, server, bad = false) {
  add({ text, server, big: true, bad });
}

/** Shows what was noted before the page was loaded. */
export function showTimeline() {
  list.replaceChildren(...memory.entries.map((entry) => fill(document.createElement('li'), entry)));
}

function add(entry) {
  memory.entries.unshift({ ...entry, at: Date.now() });
  memory.entries.length = Math.min(memory.entries.length, MAX);
  save();
  list.prepend(fill(document.createElement('li'), memory.entries[0]));
  while (list.children.length > MAX) list.lastElementChild.remove();
}

function fill(element, { text, server, at, big = false, bad = false }) {
  element.className = `tinted${big ? ' big' : ''}${bad ? ' bad' : ''}`;
  tint(element, server);
  const time = document.createElement('time');
  time.dateTime = new Date(at).toISOString();
  time.textContent = new Date(at).toLocaleTimeString();
  element.replaceChildren(text, time);
  return element;
}

function load() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    if (Array.isArray(kept.entries) && Number.isInteger(kept.requests)) return kept;
  } catch {
    // Nothing kept, or the browser keeps nothing.
  }
  return { requests: 0, entries: [] };
}

function save() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // Private windows may refuse: the timeline then lives as long as the page.
  }
}
