import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES, QUICK_CASES } from '../../bench/cases/registry.ts';
import { cpuTime, ownBusy, parseProcessStat, peakMemory, processTree } from '../../bench/cpu.ts';
import { problemOf, type Sample } from '../../bench/measure.ts';
import { parseOptions } from '../../bench/options.ts';
import { DEFAULT_PROXIES } from '../../bench/proxies/registry.ts';
import { renderHtml } from '../../bench/report/html.ts';
import { type CaseReport, isValid, type Measured, problem, type Report, ratioTo } from '../../bench/report/report.ts';
import { renderText } from '../../bench/report/text.ts';
import { rotation } from '../../bench/rotation.ts';
import { spread } from '../../bench/statistics.ts';

const onLinux = { skip: process.platform === 'linux' ? false : 'needs /proc' };

test('the median of an even number of rounds is the mean of the middle two', () => {
  assert.deepEqual(spread([9, 1, 5]), { median: 5, min: 1, max: 9 });
  assert.deepEqual(spread([10, 9, 1, 2]), { median: 5.5, min: 1, max: 10 });
  assert.ok(Number.isNaN(spread([]).median));
});

test('each proxy runs once in every place when there are as many rounds as proxies', () => {
  const rounds = [0, 1, 2].map((round) => rotation(['a', 'b', 'c'], round).join(''));
  assert.deepEqual(rounds, ['abc', 'bca', 'cab']);
  assert.deepEqual(rotation([], 3), []);
});

test('a stat line is read behind a command name with spaces and parentheses', () => {
  const line = '42 (a) b (c) S 7 42 42 0 -1 4194304 100 0 0 0 250 31 4 5 20 0 1 0 12345 1000 200';
  assert.deepEqual(parseProcessStat(line), { parent: 7, userTicks: 250, systemTicks: 31, reapedTicks: 9 });
});

test('the CPU time of this process grows while it computes, and agrees with what Node says', onLinux, () => {
  assert.ok(processTree(process.pid).includes(process.pid));
  const before = cpuTime([process.pid]);
  const own = process.cpuUsage();
  while (process.cpuUsage(own).user < 100_000);
  const after = cpuTime([process.pid]);
  const read = after.user + after.system - before.user - before.system;
  const used = process.cpuUsage(own);
  assert.ok(Math.abs(read - (used.user + used.system) / 1e6) < 0.05, `read ${read} s`);
  assert.ok(ownBusy() >= after.user);
  assert.ok(peakMemory([process.pid]) > 10 * 2 ** 20);
  assert.deepEqual(processTree(2 ** 22 + 1), []);
});

test('the defaults, --quick, --cases and --proxies are read; a wrong value is refused by name', () => {
  const defaults = parseOptions([]);
  assert.equal(defaults.proxies, DEFAULT_PROXIES);
  assert.equal(defaults.cases.length, CASES.length);
  assert.deepEqual([defaults.rounds, defaults.seconds, defaults.connections, defaults.rate], [5, 3, 64, 'half']);
  assert.deepEqual(parseOptions(['--quick']).cases, QUICK_CASES);
  assert.deepEqual([parseOptions(['--quick']).rounds, parseOptions(['--quick', '--rounds', '7']).rounds], [3, 7]);
  assert.deepEqual(parseOptions(['--proxies', 'floor, nginx']).proxies, ['floor', 'nginx']);
  assert.deepEqual(parseOptions(['--cases', '60b,idle']).cases, ['60b', 'idle']);
  assert.deepEqual([parseOptions(['--rate', '5000']).rate, parseOptions(['--rate', 'off']).rate], [5000, null]);
  assert.equal(parseOptions(['--no-pin']).pin, false);
  assert.throws(() => parseOptions(['--proxies', 'limpet,squid']), /no "squid"; choose from limpet, haproxy/);
  assert.throws(() => parseOptions(['--cases', '61b']), /--cases: there is no "61b"/);
  assert.throws(() => parseOptions(['--rounds', '0']), /--rounds must be a whole number of at least 1/);
  assert.throws(() => parseOptions(['--rate', 'double']), /--rate/);
  assert.throws(() => parseOptions(['--load', 'siege']), /siege/);
  assert.throws(() => parseOptions(['--conections', '9']), /conections/);
});

test('a result counts only without errors and when the backends served what was answered', () => {
  const good = { requests: 1000, seconds: 1, errors: 0, non2xx: 0, p50: 1, p99: 2, p999: 3 };
  assert.equal(problemOf(good, 1128, 64), null);
  assert.equal(problemOf(good, 872, 64), null);
  assert.match(problemOf({ ...good, errors: 3 }, 1000, 64) ?? '', /3 errors/);
  assert.match(problemOf({ ...good, non2xx: 2 }, 1000, 64) ?? '', /2 answers other than 2xx/);
  assert.match(problemOf(good, 850, 64) ?? '', /150 answers did not come from a backend/);
  assert.match(problemOf(good, 1150, 64) ?? '', /150 requests reached the backends without an answer/);
  assert.match(problemOf({ ...good, requests: 0 }, 0, 64) ?? '', /no request/);
});

function sample(total: number, wrong: string | null = null): Sample {
  const result = { requests: 1000, seconds: 1, errors: 0, non2xx: 0, p50: 1, p99: 2, p999: 3 };
  return {
    ...result,
    user: total / 4,
    system: (total * 3) / 4,
    total,
    rate: 1000,
    cores: 0.5,
    others: 0,
    problem: wrong,
  };
}

function measured(name: string, closed: Sample[]): Measured {
  return { name, configuration: 'a < b', closed, paced: [], offered: null, peakMemory: 2 ** 20 };
}

test('a ratio is taken round by round, so a machine that slows down between rounds does not change it', () => {
  assert.deepEqual(ratioTo([sample(12), sample(24), sample(36)], [sample(10), sample(20), sample(30)]).median, 1.2);
});

function report(cases: readonly CaseReport[]): Report {
  const machine = { cpu: 'Test CPU', cores: 2, memoryGiB: 4, kernel: '6', node: '26', loadBefore: 0 };
  return {
    command: 'npm run bench -- --quick',
    date: '2026-01-01T00:00:00.000Z',
    seconds: 9,
    machine,
    tools: { autocannon: '9' },
    options: parseOptions([]),
    pinned: true,
    proxies: [{ name: 'nginx', version: '1', setup: 'hash' }],
    leftOut: [{ name: 'limpet', reason: 'not built' }],
    cases,
    failed: [],
  };
}

const plainCase = CASES[0]!;

test('the table shows ratios, and a row with an error as invalid', () => {
  const proxies = [
    measured('haproxy', [sample(10), sample(20)]),
    measured('nginx', [sample(12), sample(24, '3 errors')]),
  ];
  const cases = [{ kind: 'requests', case: plainCase, load: 'wrk', ceiling: 50_000, proxies, leftOut: [] }] as const;
  const text = renderText(report(cases));
  const row = text.split('\n').find((line) => line.startsWith('nginx ')) ?? '';
  assert.match(row, /^nginx +18\.0 +12\.0-24\.0 +4\.5 +13\.5 +1\.20 +1\.00 +- /);
  assert.match(row, /INVALID \(round 2: 3 errors\)$/);
  assert.match(text, /limpet LEFT OUT: not built/);
  assert.match(text, /NOT A QUIET MACHINE: one proxy's rounds differ by a factor of 2\.0/);
  assert.equal(problem(proxies[0]!.closed), null);
  assert.equal(isValid(report(cases)), false);
  const [first] = cases;
  assert.equal(isValid(report([{ ...first, proxies: [proxies[0]!] }])), true);
});

test('the page has a plot for each figure, escapes what it shows, and takes nothing from outside', () => {
  const paced = [sample(11)];
  const proxies = [{ ...measured('<b>', [sample(10)]), paced, offered: 500 }];
  const run = {
    requests: 9,
    errors: 2,
    errorKinds: { 'status 502': 2 },
    sessions: 4,
    moved: 4,
    firstMs: 1,
    lastMs: 7,
    longestMs: 9,
  };
  const html = renderHtml(
    report([
      { kind: 'requests', case: plainCase, load: 'wrk', ceiling: 1, proxies, leftOut: [] },
      {
        kind: 'idle',
        case: plainCase,
        proxies: [{ name: 'x', configuration: '', connections: 9, bytesEach: [2048] }],
        leftOut: [],
      },
      { kind: 'failover', case: plainCase, proxies: [{ name: 'x', configuration: '', runs: [run] }], leftOut: [] },
    ]),
  );
  assert.equal(html.match(/<svg /g)?.length, 7);
  assert.match(html, /a &#60; b/);
  assert.doesNotMatch(html, /<b>|NaN|Infinity|undefined/);
  assert.doesNotMatch(html, /src=|href=|url\(|<script/);
  assert.match(html, /x +2 +2-2 +4\/4 +7 +7-7 +9 +status 502/);
});
