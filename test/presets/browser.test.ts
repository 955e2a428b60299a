import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Fleet, startFleet } from '../../src/demo/demo-fleet.ts';
import { Admin } from '../support/admin.ts';
import { launchBrowser } from '../support/browser.ts';
import { Certificates } from '../support/certificates.ts';
import { CHROMIUM_MISSING, findChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const chromium = findChromium();
/** ms until the page shows what is waited for. */
const PATIENCE = 20_000;
/** Keeps every message that the page shows the visitor, in `window.said`. */
const LISTEN = `
  window.said = [];
  addEventListener('DOMContentLoaded', () => {
    const toast = document.getElementById('toast');
    new MutationObserver(() => said.push(toast.textContent)).observe(toast, { childList: true, characterData: true, subtree: true });
  });
`;

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function startShop(t: TestContext): Promise<{ fleet: Fleet; limpet: LimpetProcess }> {
  const fleet = await startFleet({
    ids: ['a', 'b', 'c'],
    firstPort: 0,
    avoid: new Set(),
    restartMs: 600_000,
    onEvent: () => {},
  });
  t.after(() => fleet.stop());
  const certificates = new Certificates();
  t.after(() => certificates.remove());
  const { cert, key } = certificates.make('shop', { names: ['127.0.0.1', 'localhost'] });
  const backends = fleet.servers.map(
    ({ id, port, replica }) => `      - { id: ${id}, url: "http://127.0.0.1:${port}", replicas: [${replica}] }\n`,
  );
  const limpet = await startLimpetProcess(`
listeners:
  - bind: 127.0.0.1:0
    tls: { certificates: [{ cert: "${cert}", key: "${key}" }] }
pools:
  shop:
    backends:
${backends.join('')}    health:
      active: { path: /healthz }
workers: 2
`);
  t.after(limpet.stop);
  return { fleet, limpet };
}

test("Chromium walks through the shop over HTTPS and HTTP/2; that its server is killed between cart and check-out is the shop's secret (10, 33)", {
  skip: chromium === null && CHROMIUM_MISSING,
}, async (t) => {
  const { fleet, limpet } = await startShop(t);
  const browser = await launchBrowser(chromium!);
  t.after(() => browser.close());
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const broken: string[] = [];
  page.on('pageerror', (error) => broken.push(error.message));
  page.on('response', (response) => {
    if (response.status() >= 400) broken.push(`${response.request().method()} ${response.url()}: ${response.status()}`);
  });
  await page.addInitScript(LISTEN);

  /** The letter of the server that the page says it talks to. */
  const server = async (): Promise<string> => (await page.locator('#badge').textContent()) ?? '';
  const basket = (count: number): Promise<true> =>
    eventually(
      `${count} things in the cart`,
      async () => (await page.locator('#basket-count').textContent()) === String(count),
      PATIENCE,
    );

  // First visit.
  await page.goto(`${limpet.url}/`);
  await page.getByRole('heading', { name: /Server \w answers you/ }).waitFor();
  const home = await server();
  const cookies = await context.cookies();
  assert.equal(cookies.find(({ name }) => name === 'limpet')?.secure, true);

  // Log-in and cart.
  await page.locator('#log-in').click();
  await page.locator('#name').fill('Ada');
  await page.locator('#log-in-form').getByRole('button', { name: 'Log in' }).click();
  await page.locator('#hello').filter({ hasText: 'Ada' }).waitFor();
  const products = page.locator('#products').getByRole('button', { name: /^Add / });
  await products.nth(0).click();
  await basket(1);
  await products.nth(1).click();
  await basket(2);
  await products.nth(0).click();
  await basket(3);
  const total = await page.locator('#total').textContent();
  assert.equal(await server(), home, 'the visitor stays where the cart is');

  // The server that has the session dies, and the visitor pays.
  const dead = fleet.servers.find(({ id }) => id === home)!;
  const copied = async (): Promise<boolean> => {
    const state = await page.evaluate<{ copy: { upToDate: boolean } | null }>(
      `fetch('/api/state').then((response) => response.json())`,
    );
    return state.copy?.upToDate === true;
  };
  await eventually('the copy at the replica', copied, PATIENCE);
  process.kill(dead.pid, 'SIGKILL');
  await eventually('its end', () => !isAlive(dead.pid));
  await page.locator('#check-out').click();
  await page.locator('#orders > li').first().waitFor();
  await basket(0);
  assert.equal(await page.locator('#orders > li').count(), 1, 'one order, not two');
  const order = (await page.locator('#orders > li').textContent()) ?? '';
  assert.ok(order.includes(total!), `the order "${order}" is about ${total}`);
  await page.getByRole('heading', { name: `Server ${dead.replica} answers you` }).waitFor();
  assert.equal((await page.locator('#hello').textContent())?.includes('Ada'), true, 'still logged in');

  // Log-out.
  await page.locator('#log-out').click();
  await page.locator('#log-in').waitFor();
  await page.locator('#hello').waitFor({ state: 'hidden' });
  await eventually('no orders of the next visitor', async () => (await page.locator('#orders > li').count()) === 0);

  const protocols = await page.evaluate<string[]>(
    `[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((one) => one.nextHopProtocol)`,
  );
  // A request that broke has no protocol: the stream of events that the dead server held open.
  const spoken = protocols.filter((protocol) => protocol !== '');
  assert.ok(spoken.length > 10 && spoken.every((protocol) => protocol === 'h2'), protocols.join());
  const said = await eventually('the farewell', async () => {
    const texts = await page.evaluate<string[]>('said');
    return texts.some((text) => text.startsWith('You are logged out')) && texts;
  });
  assert.ok(said.some((text) => text.startsWith('Thank you')));
  assert.deepEqual(
    said.filter((text) => /not answering|did not take|not as it was/.test(text)),
    [],
  );
  // A POST that the dying server may have seen is never sent twice by limpet (28): the page looks, and asks again
  // itself.
  const resent = `POST ${limpet.url}/api/checkout: 502`;
  assert.deepEqual(
    broken.filter((one) => one !== resent),
    [],
  );
  assert.equal(await new Admin(limpet.admin).metric('limpet_failovers_total', { from: home }), 1, 'moved once');
  assert.equal(limpet.stderr(), '');
});
