// The sessions: a filtered page of them, one in detail, end and move.
import { call, part } from './api.js';
import { ask } from './ask.js';
import { ago, arrange, count, make, makeRow, makeTable, number, say, sayShort } from './dom.js';

const COLUMNS = [
  ['key', 'Key'],
  ['pool', 'Pool'],
  ['backend', 'Backend'],
  ['by', 'By'],
  ['user', 'User'],
  ['requests', 'Requests', 'number'],
  ['moves', 'Moves', 'number'],
  ['seen', 'Last seen'],
  ['ends', 'Ends'],
  ['buttons', 'Do'],
];
const PAGE = 25;
const TIMES = new Set(['created', 'lastSeen', 'idleExpiresAt', 'endsAt']);

const $ = (id) => document.getElementById(id);
const table = makeTable('Sessions', COLUMNS);
const rows = new Map();
/** What the page shows: its filter, where it begins, and where the next one does. */
const view = { filter: {}, cursor: null, next: null };
let pools = [];
/** Sessions of all pools. */
let all = 0;
let act = null;
/** Of the latest look: an answer to an earlier one comes too late. */
let looks = 0;

/** Connects the form and the buttons. @param runner runs a change, and shows what went wrong */
export function startSessions(runner) {
  act = runner;
  $('session-list').append(table.region);
  $('filter').addEventListener('submit', (event) => {
    event.preventDefault();
    const key = $('filter-key').value.trim();
    if (key !== '') return void act(() => showDetail(key));
    const [pool, backend] = splitName($('filter-backend').value);
    view.filter = { pool: pool || $('filter-pool').value, backend, user: $('filter-user').value.trim() };
    go(null);
  });
  $('filter-pool').addEventListener('change', () => fillBackends());
  $('first-page').addEventListener('click', () => go(null));
  $('next-page').addEventListener('click', () => go(view.next));
}

function go(cursor) {
  view.cursor = cursor;
  return act(lookAtSessions);
}

function splitName(name) {
  const slash = name.indexOf('/');
  return slash < 0 ? ['', ''] : [name.slice(0, slash), name.slice(slash + 1)];
}

/** The pools, for what can be filtered by and moved to. */
export function notePools(latest) {
  pools = latest;
  all = pools.reduce((sum, { sessions }) => sum + sessions, 0);
  fill(
    $('filter-pool'),
    pools.map(({ name }) => [name, name]),
  );
  fillBackends();
}

function fillBackends() {
  const only = $('filter-pool').value;
  const names = pools
    .filter(({ name }) => only === '' || name === only)
    .flatMap(({ name, backends }) => backends.map(({ id }) => [`${name}/${id}`, only === '' ? `${name}/${id}` : id]));
  fill($('filter-backend'), names);
}

/** Makes the options be these, after the one for all; what is chosen stays when it is still there. */
function fill(select, options) {
  const is = [...select.options].slice(1).map(({ value, text }) => `${value} ${text}`);
  if (is.join('\n') === options.map((pair) => pair.join(' ')).join('\n')) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...options.map(([value, text]) => new Option(text, value)));
  select.value = options.some(([value]) => value === chosen) ? chosen : '';
}

/** Looks at the page of sessions again. */
export async function lookAtSessions() {
  const look = ++looks;
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const [name, value] of Object.entries(view.filter)) if (value) query.set(name, value);
  if (view.cursor !== null) query.set('cursor', view.cursor);
  const page = await call('GET', `sessions?${query}`);
  if (look !== looks) return;
  view.next = page.cursor;
  const keys = new Set(page.sessions.map(({ key }) => key));
  for (const key of rows.keys()) if (!keys.has(key)) rows.delete(key);
  arrange(
    table.body,
    page.sessions.map((session) => {
      let row = rows.get(session.key);
      if (row === undefined) rows.set(session.key, (row = makeSession(session.key)));
      update(row, session);
      return row.row;
    }),
  );
  $('first-page').disabled = view.cursor === null;
  $('next-page').disabled = view.next === null;
  const some = Object.values(view.filter).some(Boolean);
  const isPart = view.next !== null || view.cursor !== null;
  say($('sessions-shown'), summary(page.sessions.length, some, isPart));
}

/** How many the page shows, and of how many; of a filter's there is no count. */
function summary(shown, filtered, isPart) {
  if (shown === 0) return filtered || isPart ? 'No session is like that' : 'There are no sessions yet';
  if (filtered) return `${number(shown)} shown, filtered${view.next === null ? '' : ', there are more'}`;
  return isPart ? `${number(shown)} of ${count(all, 'session')}` : count(shown, 'session');
}

function makeSession(key) {
  const { row, cells } = makeRow(COLUMNS);
  const made = { row, cells, now: null };
  cells.key.append(
    make(
      'button',
      {
        type: 'button',
        class: 'link key',
        'aria-label': `Details of ${key}`,
        onclick: () => act(() => showDetail(key)),
      },
      key,
    ),
  );
  cells.buttons.append(
    make(
      'span',
      { class: 'buttons' },
      make('button', { type: 'button', 'aria-label': `Move ${key}`, onclick: () => move(made.now) }, 'Move…'),
      make(
        'button',
        { type: 'button', class: 'danger', 'aria-label': `End ${key}`, onclick: () => end(made.now) },
        'End…',
      ),
    ),
  );
  return made;
}

function update(view, session) {
  const { cells } = view;
  view.now = session;
  say(cells.pool, session.pool);
  say(cells.backend, session.backend ?? 'gone');
  say(cells.by, session.by);
  sayShort(cells.user, session.user ?? '–');
  say(cells.requests, number(session.requests));
  say(cells.moves, number(session.moves));
  say(cells.seen, ago(session.lastSeen));
  say(cells.ends, ago(session.idleExpiresAt < session.endsAt ? session.idleExpiresAt : session.endsAt));
}

async function showDetail(key) {
  const session = await call('GET', `sessions/${part(key)}`);
  $('detail-list').replaceChildren(
    ...Object.entries(session).flatMap(([name, value]) => {
      const text = value === null ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value);
      return [make('dt', {}, name), make('dd', {}, TIMES.has(name) ? `${text} (${ago(value)})` : text)];
    }),
  );
  const dialog = $('detail');
  dialog.returnValue = 'close';
  const { promise, resolve } = Promise.withResolvers();
  dialog.addEventListener('close', () => resolve(dialog.returnValue), { once: true });
  dialog.showModal();
  const answer = await promise;
  if (answer === 'end') await end(session);
  if (answer === 'move') await move(session);
}

async function end({ key, user }) {
  const whose = user === null || user === undefined ? '' : ` of ${user}`;
  const text = `The session ${key}${whose} ends now. Its next request begins a new one, and its state is lost to it.`;
  if ((await ask({ title: 'End this session?', text, button: 'End it' })) === null) return;
  await act(async () => {
    await call('DELETE', `sessions/${part(key)}`);
    await lookAtSessions();
  });
}

async function move({ key, pool, backend }) {
  const others = (pools.find(({ name }) => name === pool)?.backends ?? []).filter(({ id }) => id !== backend);
  const choices = others.map(({ id, health, state }) => [id, `${id} (${state}, ${health})`]);
  const text =
    choices.length === 0
      ? `There is no other backend in ${pool}.`
      : `The session ${key} is on ${backend ?? 'a backend that is gone'}. Its next request goes to the one that you choose, which should have a copy of its state.`;
  const to = await ask({ title: 'Move this session?', text, button: 'Move it', choices });
  if (to === null || to === '') return;
  await act(async () => {
    await call('POST', `sessions/${part(key)}/move`, { backend: to });
    await lookAtSessions();
  });
}
