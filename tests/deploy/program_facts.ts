// What files of deploy/ may count on in the program, asked of its code.

import { metricsText } from "../../lib/status/metrics.ts";
import { pageOf } from "../../lib/status/pages.ts";
import { SEEDING } from "../status/moments.ts";
import { filesIn, read } from "./tree.ts";

/** Every environment variable that a command reads: they are texts in lib/cli. */
export function knownVariables(): Set<string> {
  const sources = filesIn("lib/cli").map((name) => read(`lib/cli/${name}`)).join("\n") +
    read("lib/snapshot/authority.ts");
  return new Set([...sources.matchAll(/"([A-Z][A-Z_]{3,})"/g)].map(([, name = ""]) => name));
}

/** The variables that stand for a mirror's flags, by the page that is made of the program. */
export function mirrorVariables(): string[] {
  const [, section = ""] = /^## nano-snap swarm$(.*?)^## /ms.exec(read("docs/configuration.md")) ?? [];
  return [...section.matchAll(/^\| `--[^|]*\| `([A-Z_]+)`/gm)].map(([, name = ""]) => name);
}

/** Those of them that mean nothing in a container: no router and no neighbour answers there, nor has it other programs. */
export const NOT_IN_A_CONTAINER: readonly string[] = [
  "PORT_MAPPING_ENABLED",
  "LSD_ENABLED",
  "ON_UPDATE",
  "NANO_SNAP_ENV_FILE",
  "NO_COLOR",
];

/** Whether a running instance answers this path over HTTP. */
export function isServed(path: string): boolean {
  return pageOf(path, SEEDING) !== undefined;
}

/** What is served to Prometheus: each metric, and its labels. */
export const METRICS: ReadonlyMap<string, readonly string[]> = new Map(
  [...metricsText(SEEDING).matchAll(/^(nano_\w+)(?:\{(.*)\})? /gm)].map(([, name = "", labels = ""]) => [
    name,
    [...labels.matchAll(/(\w+)="/g)].map(([, label = ""]) => label),
  ]),
);

/** What the label `state` can be. */
export const PHASES: readonly string[] = [
  ...(/export type Phase =([^;]*);/.exec(read("lib/events.ts"))?.[1] ?? "").matchAll(/"(\w+)"/g),
].map(([, phase = ""]) => phase);
