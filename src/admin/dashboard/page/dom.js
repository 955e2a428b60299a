// Small tools for the page. Everything that comes from the API is put in as text.

/** An element with attributes, and children that are elements or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'onclick') element.addEventListener('click', value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Sets a text where it differs, so that a selection and what a screen reader has said stay. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Characters of a text that a cell of a table shows; a longer one is whole in its title. */
const LONGEST = 40;

/** As `say`, for a text that may be so long that it would push what stands behind it out of sight. */
export function sayShort(element, text) {
  const characters = [...text];
  const long = characters.length > LONGEST;
  say(element, long ? `${characters.slice(0, LONGEST - 1).join('')}…` : text);
  const title = long ? text : '';
  if (element.title !== title) element.title = title;
}

/** Makes the children be exactly these, moving what is out of place only: focus stays where it is. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

/** A table that scrolls in a region of its own; roles are said because a small screen shows rows as blocks. */
export function makeTable(label, columns) {
  const body = make('tbody', { role: 'rowgroup' });
  const head = make('tr', { role: 'row' });
  for (const [, title, kind = ''] of columns)
    head.append(make('th', { scope: 'col', role: 'columnheader', class: kind }, title));
  const table = make(
    'table',
    { role: 'table' },
    make('caption', { class: 'unseen' }, label),
    make('thead', { role: 'rowgroup' }, head),
    body,
  );
  // What scrolls has to be reachable by keyboard.
  return { region: make('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': label }, table), body };
}

/** A row of a table whose cells are known by name; on a small screen each says its title. */
export function makeRow(columns) {
  const cells = {};
  const row = make('tr', { role: 'row' });
  columns.forEach(([name, title, kind = ''], at) => {
    const head = at === 0;
    const cell = make(head ? 'th' : 'td', {
      role: head ? 'rowheader' : 'cell',
      scope: head ? 'row' : undefined,
      class: kind,
      'data-title': title,
    });
    cells[name] = cell;
    row.append(cell);
  });
  return { row, cells };
}

const PILLS = {
  ready: 'good',
  up: 'good',
  drain: 'warn',
  departing: 'warn',
  starting: 'warn',
  stopping: 'warn',
  maintenance: 'warn',
  down: 'bad',
  unreachable: 'bad',
};

/** A word with a colour, which never is all that tells it from others. */
export function sayPill(element, text) {
  say(element, text);
  const kind = `pill ${PILLS[text] ?? ''}`;
  if (element.className !== kind) element.className = kind;
}

const NUMBER = new Intl.NumberFormat('en');

export function number(value) {
  return typeof value === 'number' ? NUMBER.format(value) : '–';
}

/** `1 session`, `2 sessions`. */
export function count(value, word) {
  return `${number(value)} ${word}${value === 1 ? '' : 's'}`;
}

/** A rate per second. */
export function rate(value) {
  if (value === null || value === undefined) return '–';
  return value < 10 ? value.toFixed(1) : NUMBER.format(Math.round(value));
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
];

/** A number of seconds in its two largest units. */
export function duration(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const first = UNITS.findIndex(([, size]) => rest >= size);
  if (first < 0) return '0 s';
  return UNITS.slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest %= size;
      return count === 0 ? '' : `${count} ${unit}`;
    })
    .join(' ')
    .trim();
}

/** How far a time of the API is from now; the epoch stands for never. */
export function ago(iso) {
  const then = Date.parse(iso);
  if (!(then > 0)) return '–';
  const seconds = (Date.now() - then) / 1000;
  if (Math.abs(seconds) < 1) return 'now';
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

/** A time of the API on the clock of whoever looks. */
export function clock(iso) {
  const then = new Date(iso);
  return Number.isNaN(then.getTime()) ? String(iso) : then.toLocaleTimeString('en-GB');
}
