// dht.json: our node id and the nodes that answered last, so that a second start needs no router. A convenience, not
// trust: whatever is wrong with it costs a note and nothing else, and what it names is only asked, never believed.

import { dirname } from "node:path";
import { parseHex, toHex } from "../bytes.ts";
import { isIpv4 } from "../address.ts";
import { type Contact, ID_BYTES } from "../dht/contact.ts";
import { formatEndpoint } from "../endpoint.ts";
import { SnapError } from "../errors.ts";
import { type JsonObject, type Reading, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Files } from "../ports.ts";

export interface DhtCache {
  /** 20 bytes; undefined at the first start. */
  readonly nodeId: Uint8Array | undefined;
  /** At most 200. */
  readonly nodes: readonly Contact[];
}

/** Reads the cache; an empty one, with a warning, where it cannot be used. Never throws for what a file is. */
export function readDhtCache(files: Files, path: string): Reading<DhtCache> {
  try {
    return readJsonFile(files, path, parseCache, EMPTY);
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return { value: EMPTY, warning: error.message };
  }
}

/** Writes the cache. @returns Why it could not be written: a sentence for a note, nothing worse. */
export function writeDhtCache(
  files: Files,
  path: string,
  nodeId: Uint8Array,
  nodes: readonly Contact[],
): string | undefined {
  try {
    files.makeDir(dirname(path));
    writeJsonFile(files, path, {
      version: VERSION,
      node_id: toHex(nodeId),
      nodes: nodes.slice(0, MAX_NODES).map((node) => `${toHex(node.id)}@${formatEndpoint(node)}`),
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return error.message;
  }
}

function parseCache(json: JsonObject): DhtCache | undefined {
  const { version, node_id: id, nodes } = json as { version?: unknown; node_id?: unknown; nodes?: unknown };
  if (version !== VERSION || !Array.isArray(nodes)) return undefined;
  const nodeId = typeof id === "string" ? parseHex(id) : undefined;
  if (id !== undefined && nodeId?.length !== ID_BYTES) return undefined;
  const contacts: Contact[] = [];
  for (const node of nodes.slice(0, MAX_NODES) as unknown[]) {
    const contact = typeof node === "string" ? parseContact(node) : undefined;
    if (contact === undefined) return undefined;
    contacts.push(contact);
  }
  return { nodeId, nodes: contacts };
}

function parseContact(text: string): Contact | undefined {
  const [, hex, host, digits] = CONTACT.exec(text) ?? [];
  const id = parseHex(hex ?? "");
  const port = Number(digits);
  if (id?.length !== ID_BYTES || host === undefined || !isIpv4(host) || port < 1 || port > 65535) {
    return undefined;
  }
  return { id, host, port };
}

const VERSION = 1;
const MAX_NODES = 200;
const CONTACT = /^([0-9a-f]{40})@([0-9.]+):(\d{1,5})$/;
const EMPTY: DhtCache = { nodeId: undefined, nodes: [] };
