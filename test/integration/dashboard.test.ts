import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { BACKEND, FakeControlPlane, SESSION } from '../admin/fake-control-plane.ts';
import { startAdmin } from '../admin/start-admin.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { launchBrowser } from '../support/browser.ts';
import { CHROMIUM_MISSING, findChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

const chromium = findChromium();
const skip = chromium === null && CHROMIUM_MISSING;
/** ms until the page shows what is waited for. */
const PATIENCE = 30_000;
const TOKEN = 'a3f5c2d1e4b6a798a3f5c2d1e4b6a798';
/** Would run if it became markup. */
const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';

let browser: Browser;
before(async () => {
  if (chromium !== null) browser = await launchBrowser(chromium);
});
after(() => browser?.close());

/** A page that notes what goes wrong in it: exceptions, errors on the console, what its policy has forbidden. */
async function open(t: TestContext, url: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const wrong: string[] = [];
  page.on('pageerror', (error) => wrong.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong.push(`console: ${message.text()}`);
  });
  await page.addInitScript(
    `document.addEventListener('securitypolicyviolation', (event) => console.error('policy ' + event.violatedDirective + ' ' + event.blockedURI));`,
  );
  await page.goto(`${url}/`);
  return { page, wrong };
}

/** What a screen reader and a keyboard need of every page, whatever it shows. */
const lacks = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`(() => {
    const lacking = [];
    const name = (element) =>
      element.getAttribute('aria-label') || element.labels?.[0]?.textContent.trim() || element.textContent.trim();
    const all = (selector) => [...document.querySelectorAll(selector)];
    if (document.documentElement.lang !== 'en') lacking.push('a language');
    if (document.title === '') lacking.push('a title');
    if (all('h1').length !== 1) lacking.push('one h1');
    if (all('main').length !== 1) lacking.push('one main');
    for (const one of all('button, input, select, a')) if (!name(one)) lacking.push('a name: ' + one.outerHTML);
    for (const one of all('img')) if (!one.hasAttribute('alt')) lacking.push('alt: ' + one.outerHTML);
    for (const one of all('section, dialog'))
      if (!one.getAttribute('aria-label') && !document.getElementById(one.getAttribute('aria-labelledby'))) lacking.push('a label: ' + one.id);
    for (const one of all('table')) {
      if (!one.caption) lacking.push('a caption');
      for (const cell of one.querySelectorAll('thead th')) if (cell.scope !== 'col') lacking.push('a scope: ' + cell.textContent);
    }
    const ids = all('[id]').map(({ id }) => id);
    if (new Set(ids).size !== ids.length) lacking.push('ids of their own');
    return lacking;
  })()`);

test('the dashboard shows pools, sessions and events, drains a backend, ends and moves sessions; nothing goes wrong in the page (20, 39)', {
  skip,
}, async (t) => {
  const backends = await Promise.all(['a', 'b'].map((id) => new HttpBackend(id).start()));
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  const limpet = await startLimpetProcess(
    `workers: 2\npools: { shop: { backends: [${backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ')}] } }\n`,
  );
  t.after(() => limpet.stop());
  const admin = new Admin(limpet.admin);
  const { cookie } = await ask(`${limpet.url}/`);
  const { page, wrong } = await open(t, limpet.admin);

  // What there is.
  const pool = page.getByRole('article', { name: 'Pool shop' });
  await pool.getByRole('rowheader', { name: /^a/ }).waitFor();
  await pool.getByText('2 of 2 backends available').waitFor();
  const [session] = await admin.sessions('shop');
  const { key, backend: home } = session!;
  const sessions = page.getByRole('table', { name: 'Sessions' });
  await sessions.getByRole('button', { name: `Details of ${key}` }).waitFor();
  await page.locator('#sessions-shown').getByText('1 session', { exact: true }).waitFor();
  await pool.getByText(' · 1 session · ').waitFor();
  // A long name is cut, with the whole in its title.
  const cell = await page.evaluate(`import('/dashboard/dom.js').then(({ sayShort }) => {
    const element = document.createElement('td');
    sayShort(element, 'u'.repeat(300));
    const long = [element.textContent, element.title];
    sayShort(element, 'me');
    return [...long, element.textContent, element.title];
  })`);
  assert.deepEqual(cell, [`${'u'.repeat(39)}…`, 'u'.repeat(300), 'me', '']);
  await page
    .getByRole('log', { name: /Events/ })
    .getByText('limpet is ready')
    .waitFor();
  assert.deepEqual(await lacks(page), []);

  // Requests become a rate.
  await eventually(
    'a rate',
    async () => {
      for (let i = 0; i < 5; i++) await ask(`${limpet.url}/`, { headers: { cookie } });
      const text = (await pool.locator('.heading .hint').textContent()) ?? '';
      return Number(/([\d.]+) requests\/s/.exec(text)?.[1] ?? 0) > 0;
    },
    PATIENCE,
  );

  // Drain by keyboard: Escape changes nothing, then it is done and told.
  const drain = page.getByRole('button', { name: 'Drain shop/a', exact: true });
  const dialog = page.getByRole('dialog', { name: 'Drain: shop/a?' });
  await drain.focus();
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.equal((await admin.backend('shop', 'a')).state, 'ready');
  await drain.click();
  await dialog.getByRole('button', { name: 'Drain', exact: true }).click();
  await eventually('the drain', async () => (await admin.backend('shop', 'a')).state === 'drain', PATIENCE);
  await page.locator('#feed').getByText('shop/a: ready, weight 1 → drain, weight 1').waitFor();
  await page.getByRole('button', { name: 'Drain shop/a', exact: true, disabled: true }).waitFor();
  await pool.getByText('1 of 2 backends available, 1 draining').waitFor();
  await page.getByRole('button', { name: 'Ready shop/a', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Ready', exact: true }).click();
  await eventually('it is back', async () => (await admin.backend('shop', 'a')).state === 'ready', PATIENCE);

  // A session: found by its key, seen, moved, ended.
  const other = home === 'a' ? 'b' : 'a';
  await page.getByLabel('Key').fill(key);
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  const detail = page.getByRole('dialog', { name: 'Session' });
  await detail.getByText(key).waitFor();
  await detail.getByRole('button', { name: /Move/ }).click();
  await page.getByRole('dialog').getByRole('combobox', { name: 'To' }).selectOption(other);
  await page.getByRole('button', { name: 'Move it' }).click();
  await eventually('the move', async () => (await admin.sessions('shop'))[0]?.backend === other, PATIENCE);
  await page.locator('#feed').getByText(`Session ${key} of shop moved from ${home} to ${other}`).waitFor();
  await page.getByRole('button', { name: `End ${key}` }).click();
  await page.getByRole('dialog', { name: 'End this session?' }).getByRole('button', { name: 'End it' }).click();
  await eventually('its end', async () => (await admin.sessions('shop')).length === 0, PATIENCE);
  await page.locator('#feed').getByText(`Session ${key} ended in shop: operator`).waitFor();
  await page.getByText('There are no sessions yet').waitFor();
  assert.notEqual(
    (await ask(`${limpet.url}/`, { headers: { cookie } })).cookie,
    '',
    'its next request begins a new one',
  );

  // A filter, and an answer that refuses.
  await page.getByLabel('Key').fill('');
  await page.locator('#filter-backend').selectOption(`shop/${(await admin.sessions('shop'))[0]!.backend}`);
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByText('1 shown, filtered').waitFor();
  // Who is not there is no mistake.
  await page.getByLabel('User').fill('nobody');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.locator('#sessions-shown').getByText('No session is like that').waitFor();
  assert.deepEqual(wrong, []);
  await page.getByLabel('Key').fill('nonsense');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByRole('alert').getByText('is not the key of a session').waitFor();

  // It comes back by itself.
  await limpet.stop();
  await page.getByText('unreachable').waitFor();
});

test('what a change has done is shown, and focus stays in its row, although a look at what was before is under way', {
  skip,
}, async (t) => {
  const control = new FakeControlPlane();
  let backend = BACKEND;
  control.pools = () => [{ name: 'shop', balance: 'random', sessions: 3, backends: [backend] }];
  control.patchBackend = () => ({ ok: true, value: (backend = { ...backend, state: 'drain' }) });
  const { address } = await startAdmin(t, {}, control);
  const { page, wrong } = await open(t, address);
  const drain = page.getByRole('button', { name: 'Drain shop/a', exact: true });
  await drain.waitFor();
  const seen = Promise.withResolvers<void>();
  const changed = Promise.withResolvers<void>();
  await page.route(
    '**/api/v1/pools',
    async (route) => {
      const response = await route.fetch();
      seen.resolve();
      await changed.promise;
      await route.fulfill({ response });
    },
    { times: 1 },
  );
  await seen.promise;
  await drain.click();
  const patched = page.waitForResponse((response) => response.request().method() === 'PATCH');
  await page.getByRole('dialog').getByRole('button', { name: 'Drain', exact: true }).click();
  await (await patched).finished();
  changed.resolve();
  await eventually(
    'focus is on what can be done next',
    async () => (await page.evaluate('document.activeElement.ariaLabel')) === 'Ready shop/a',
    PATIENCE,
  );
  assert.equal(await drain.isDisabled(), true);
  assert.deepEqual(wrong, []);
});

test('with a token the dashboard asks for it, keeps it in its tab alone, and shows what names itself like markup as text', {
  skip,
}, async (t) => {
  const control = new FakeControlPlane();
  control.pools = () => [
    { name: HOSTILE, balance: HOSTILE, sessions: 1, backends: [{ ...BACKEND, id: HOSTILE, url: HOSTILE }] },
  ];
  control.sessions = async () => ({ ok: true, value: { sessions: [{ ...SESSION, user: HOSTILE }], cursor: null } });
  control.events.publish({ event: 'health', pool: HOSTILE, backend: HOSTILE, to: 'down', reason: HOSTILE });
  const { address } = await startAdmin(t, { token: TOKEN }, control);
  const { page, wrong } = await open(t, address);
  const field = page.getByLabel(/Token of/);
  await field.fill('wrong-token-wrong-token');
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('alert').getByText('This is not the token').waitFor();
  assert.equal(await page.evaluate('sessionStorage.length'), 0);
  await field.fill(TOKEN);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('heading', { name: HOSTILE }).waitFor();
  await page.locator('#feed').getByText(`${HOSTILE}/${HOSTILE} is down: ${HOSTILE}`).waitFor();
  await page.getByRole('cell', { name: HOSTILE }).first().waitFor();
  assert.equal(await page.evaluate('window.hacked'), undefined);
  assert.deepEqual(await lacks(page), []);
  assert.deepEqual(
    await page.evaluate('[Object.values(sessionStorage), Object.values(localStorage), document.cookie, location.href]'),
    [[TOKEN], [], '', `${address}/`],
  );
  // Being refused is on the console, and nothing else.
  assert.deepEqual(
    wrong.filter((line) => !/status of 401/.test(line)),
    [],
  );
  await page.getByRole('button', { name: 'Forget token' }).click();
  await field.waitFor();
  assert.equal(await page.evaluate('sessionStorage.length'), 0);
});

test('on a small screen nothing is wider than the screen, light and dark alike', { skip }, async (t) => {
  const { address } = await startAdmin(t);
  const papers = new Set<unknown>();
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page, wrong } = await open(t, address, { viewport: { width: 360, height: 740 }, colorScheme });
    await page.getByRole('article', { name: 'Pool shop' }).waitFor();
    await page.getByRole('row').filter({ hasText: SESSION.key }).waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
    papers.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
    assert.deepEqual(wrong, []);
  }
  assert.equal(papers.size, 2);
});
