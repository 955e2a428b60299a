import { isBuiltin } from 'node:module';
import { TESTED_NODE_VERSIONS } from './tested-node-versions.ts';

/** How connections are read and written: by system calls of limpet's own, or through Node. */
export type SocketEngine = 'system' | 'node';

/** The key `sockets` of the configuration. */
export type WantedEngine = SocketEngine | 'auto';

/** What the choice depends on besides the configuration. */
export interface EngineFacts {
  /** Such as `26.10.0`. */
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  /** Whether this Node has node:ffi, and was not told to leave it out. */
  readonly ffi: boolean;
}

/** An engine and why it is not the other one. */
export interface EngineChoice {
  readonly engine: SocketEngine;
  /** Part of a sentence: why the connections do not go by system calls; null: they do, or are not meant to. */
  readonly why: string | null;
  /** Whether Node's own handles are known: otherwise connections go through its public streams. */
  readonly handles: boolean;
}

/** The facts of this process. */
export function engineFacts(): EngineFacts {
  const { platform, arch, versions } = process;
  return { node: versions.node, platform, arch, ffi: isBuiltin('node:ffi') };
}

/**
 * Chooses the engine by what is known before anything is tried. Loads nothing.
 * `auto` takes system calls only on a version of Node that limpet's tests have run on; `system` also on others.
 */
export function chooseEngine(wanted: WantedEngine, facts: EngineFacts): EngineChoice {
  const tested = TESTED_NODE_VERSIONS.includes(Number.parseInt(facts.node, 10));
  if (wanted === 'node') return { engine: 'node', why: null, handles: tested };
  const why =
    obstacle(facts) ?? (wanted === 'auto' && !tested ? `limpet was not tested with Node ${facts.node}` : null);
  return { engine: why === null ? 'system' : 'node', why, handles: tested || why === null };
}

function obstacle({ node, platform, arch, ffi }: EngineFacts): string | null {
  if (platform !== 'linux' || !['x64', 'arm64'].includes(arch))
    return `system calls are for Linux on x64 and arm64, not ${platform} on ${arch}`;
  return ffi ? null : `Node ${node} has no node:ffi, or was told to leave it out`;
}
