// The pools with their backends.
import { call, part } from './api.js';
import { ask } from './ask.js';
import { ago, arrange, count, make, makeRow, makeTable, number, rate, say, sayPill, sayShort } from './dom.js';

const COLUMNS = [
  ['name', 'Backend'],
  ['state', 'State'],
  ['health', 'Health'],
  ['rate', 'Requests/s', 'number'],
  ['active', 'Active', 'number'],
  ['sessions', 'Sessions', 'number'],
  ['latency', 'Latency', 'number'],
  ['requests', 'Requests', 'number'],
  ['failures', 'Failures', 'number'],
  ['weight', 'Weight', 'number'],
  ['error', 'Last error'],
  ['changed', 'Changed'],
  ['buttons', 'Do'],
];

const ACTIONS = {
  drain: {
    label: 'Drain',
    text: ({ sessions }) =>
      `It gets no new sessions. ${count(sessions, 'session')} that it has: they stay until they end.`,
  },
  ready: { label: 'Ready', text: () => 'It gets new sessions again.' },
  maintenance: {
    label: 'Maintenance',
    text: ({ sessions }) =>
      `It is taken out at once. What it has, ${count(sessions, 'session')}, moves to other backends.`,
  },
};

const shown = new Map();

/** Shows the pools. @param act runs a change, and shows what went wrong */
export function showPools(pools, rates, act) {
  const parent = document.getElementById('pools');
  const names = new Set(pools.map(({ name }) => name));
  for (const name of shown.keys()) if (!names.has(name)) shown.delete(name);
  arrange(
    parent,
    pools.map((pool) => {
      let view = shown.get(pool.name);
      if (view === undefined) shown.set(pool.name, (view = makePool(pool.name)));
      update(view, pool, rates, act);
      return view.article;
    }),
  );
}

function makePool(name) {
  const figures = make('p', { class: 'hint' });
  const { region, body } = makeTable(`Backends of pool ${name}`, COLUMNS);
  const article = make(
    'article',
    { 'aria-label': `Pool ${name}` },
    make('div', { class: 'heading' }, make('h2', {}, name), figures),
    region,
  );
  return { article, figures, body, rows: new Map() };
}

function update(view, pool, rates, act) {
  const up = pool.backends.filter(({ health, state }) => health !== 'down' && state === 'ready').length;
  const draining = pool.backends.filter(({ health, state }) => health !== 'down' && state === 'drain').length;
  say(
    view.figures,
    `${up} of ${count(pool.backends.length, 'backend')} available${draining === 0 ? '' : `, ${number(draining)} draining`} · ` +
      `${count(pool.sessions, 'session')} · ` +
      `${rate(rates.of(pool.name))} requests/s · ${pool.balance}`,
  );
  const ids = new Set(pool.backends.map(({ id }) => id));
  for (const id of view.rows.keys()) if (!ids.has(id)) view.rows.delete(id);
  arrange(
    view.body,
    pool.backends.map((backend) => {
      let row = view.rows.get(backend.id);
      if (row === undefined) view.rows.set(backend.id, (row = makeBackend(pool.name, backend.id, act)));
      updateBackend(row, backend, rates.of(`${pool.name}/${backend.id}`));
      return row.row;
    }),
  );
}

function makeBackend(pool, id, act) {
  const { row, cells } = makeRow(COLUMNS);
  const view = {
    row,
    cells,
    state: make('span'),
    health: make('span'),
    url: make('span', { class: 'url' }),
    now: null,
  };
  cells.name.append(make('span', {}, id, view.url));
  cells.state.append(view.state);
  cells.health.append(view.health);
  const buttons = make('span', { class: 'buttons' });
  view.buttons = Object.entries(ACTIONS).map(([state, { label, text }]) => {
    const button = make('button', { type: 'button', 'aria-label': `${label} ${pool}/${id}` }, label);
    button.addEventListener('click', async () => {
      const title = `${label}: ${pool}/${id}?`;
      if ((await ask({ title, text: text(view.now), button: label })) === null) return;
      await act(() => call('PATCH', `pools/${part(pool)}/backends/${part(id)}`, { state }));
      // Its button is of no use any more, and focus must be somewhere.
      if (button.disabled) view.buttons.find(({ button: other }) => !other.disabled)?.button.focus();
    });
    buttons.append(button);
    return { state, button };
  });
  cells.buttons.append(buttons);
  return view;
}

function updateBackend(view, backend, perSecond) {
  const { cells } = view;
  view.now = backend;
  sayShort(view.url, backend.discovered ? `${backend.url} (discovered)` : backend.url);
  sayPill(view.state, backend.departing && backend.state === 'drain' ? 'departing' : backend.state);
  sayPill(view.health, backend.health);
  say(cells.rate, rate(perSecond));
  say(cells.active, number(backend.activeRequests));
  say(cells.sessions, number(backend.sessions));
  say(cells.latency, backend.latency === null ? '–' : `${backend.latency.toFixed(1)} ms`);
  say(cells.requests, number(backend.requests));
  say(cells.failures, number(backend.failures));
  say(cells.weight, number(backend.weight));
  say(cells.error, backend.lastError === null ? '–' : `${backend.lastError}, ${ago(backend.lastErrorAt)}`);
  say(cells.changed, ago(backend.lastChange));
  for (const { state, button } of view.buttons)
    button.disabled = backend.state === state || (backend.departing && state === 'ready');
}
