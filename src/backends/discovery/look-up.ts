import ipaddr from 'ipaddr.js';
import type { DnsDiscoveryConfig } from '../../config/schema.ts';
import type { DiscoveredMember } from './discovered-member.ts';
import type { Answer, NameResolver, ServiceRecord } from './name-resolver.ts';

/**
 * Looks the members of a pool up, once. Sorted by id, without duplicates; ids fit `backends[].id`, and what follows the
 * last colon of one is the port.
 *
 * - A, AAAA: the id is `address:port`. An IPv6 address stands in it as eight groups without leading zeros and without
 *   `::`, so that
 *   it never begins with a colon and never swallows the port: `fd00:0:0:0:0:0:0:12:8080`.
 * - SRV (RFC 2782): the id is `target:port` in lower case, whatever the address of the target, which is IPv4 where
 *   there is one. Records
 *   of the lowest priority are members, the others backups. The weight is the record's. 0 means no new sessions, as
 *   HAProxy reads it,
 *   unless every record of its priority has 0: then there is nothing to weigh, and each counts as 1.
 *
 * @param known members so far: a target that cannot be resolved right now keeps its address, and one with several does
 *   not change it
 */
export async function lookUp(
  resolver: NameResolver,
  { name, type, port }: DnsDiscoveryConfig,
  known: readonly DiscoveredMember[],
  signal: AbortSignal,
): Promise<Answer<DiscoveredMember>> {
  if (type === 'SRV') return lookUpServices(resolver, name, known, signal);
  const found = await resolver.addresses(name, type === 'A' ? 4 : 6, signal);
  if (!('records' in found)) return found;
  const hosts = new Map(usable(found.records).map((address) => [idOf(address, port ?? 80), address]));
  const members = [...hosts].map(([id, address]) => memberOf(id, urlOf(address, port ?? 80), 1, false));
  return sorted(members, 'only addresses that are no server');
}

async function lookUpServices(
  resolver: NameResolver,
  name: string,
  known: readonly DiscoveredMember[],
  signal: AbortSignal,
): Promise<Answer<DiscoveredMember>> {
  const found = await resolver.services(name, signal);
  if (!('records' in found)) return found;
  const records = servers(found.records);
  if (records.length === 0) return { error: 'the target is ".": the service is not there', absent: true };
  const addresses = new Map<string, Answer<string>>();
  await Promise.all(
    [...new Set(records.map((record) => record.name))].map(async (target) =>
      addresses.set(target, await addressesOf(resolver, target, signal)),
    ),
  );
  const lowest = Math.min(...records.map(({ priority }) => priority));
  const weighed = new Set(records.filter(({ weight }) => weight > 0).map(({ priority }) => priority));
  const urls = new Map(known.map(({ id, url }) => [id, url]));
  const members: DiscoveredMember[] = [];
  let unresolved: string | null = null;
  for (const record of records) {
    const id = `${record.name}:${record.port}`;
    const answer = addresses.get(record.name)!;
    const found = 'records' in answer ? answer.records.map((address) => urlOf(address, record.port)) : [];
    const before = urls.get(id);
    const url = before !== undefined && (found.length === 0 || found.includes(before)) ? before : found[0];
    if (url !== undefined) {
      members.push(memberOf(id, url, weighed.has(record.priority) ? record.weight : 1, record.priority > lowest));
    } else unresolved ??= `${record.name} has no address${'error' in answer ? ` (${answer.error})` : ''}`;
  }
  return sorted(members, unresolved ?? 'no target');
}

/** Records that name a server, each server once: with its lowest priority, and of that its largest weight. */
function servers(records: readonly ServiceRecord[]): ServiceRecord[] {
  const best = new Map<string, ServiceRecord>();
  for (const record of records) {
    const name = record.name.toLowerCase().replace(/\.$/, '');
    // RFC 2782: the target "." says that the service is decidedly not there. A name that fits no id fits no host name.
    if (!/^[a-z0-9_][a-z0-9._-]{0,121}$/.test(name) || record.port === 0) continue;
    const other = best.get(`${name}:${record.port}`);
    const better =
      other === undefined ||
      record.priority < other.priority ||
      (record.priority === other.priority && record.weight > other.weight);
    if (better) best.set(`${name}:${record.port}`, { ...record, name });
  }
  return [...best.values()];
}

async function addressesOf(resolver: NameResolver, name: string, signal: AbortSignal): Promise<Answer<string>> {
  const four = await resolver.addresses(name, 4, signal);
  if ('records' in four) return { records: usable(four.records) };
  // Nobody could say whether it has IPv4 addresses: that is no reason to go to another address.
  if (!four.absent) return four;
  const six = await resolver.addresses(name, 6, signal);
  return 'records' in six ? { records: usable(six.records) } : four;
}

/**
 * Addresses that a server can have, each once, in one spelling and in order. 0.0.0.0 and :: are what a filtering DNS
 * server says instead of no.
 */
function usable(addresses: readonly string[]): string[] {
  const plain = addresses
    // A zone (fe80::1%eth0) has no place in a url.
    .filter((address) => !address.includes('%') && ipaddr.isValid(address))
    .map((address) => ipaddr.parse(address))
    .filter((address) => address.range() !== 'unspecified')
    .map((address) => address.toString());
  return [...new Set(plain)].sort();
}

function idOf(address: string, port: number): string {
  return `${ipaddr.parse(address).toNormalizedString()}:${port}`;
}

function urlOf(address: string, port: number): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function memberOf(id: string, url: string, weight: number, backup: boolean): DiscoveredMember {
  return { id, url, weight, backup };
}

function sorted(members: DiscoveredMember[], error: string): Answer<DiscoveredMember> {
  if (members.length === 0) return { error, absent: true };
  return { records: members.sort((one, other) => (one.id < other.id ? -1 : 1)) };
}
