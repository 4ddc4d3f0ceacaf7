// What the program is made of, as a CycloneDX 1.6 bill: Deno, and each npm package that main.ts and the Workers reach,
// with the hash that deno.lock holds it to. Tests' packages are not in the program and not in the bill. The same tree gives the same
// bytes.
//
//   deno run -A deploy/release/sbom.ts > nano-snap.cdx.json

import { join } from "node:path";
import { DENO_VERSION } from "../toolchain.ts";

/** What this reads of `deno info --json`. */
export interface ModuleGraph {
  readonly modules: readonly { readonly kind?: string; readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<
    Record<string, { name: string; version: string; dependencies: readonly string[]; localPath?: string }>
  >;
}

/** What this reads of deno.lock. */
export interface Lock {
  readonly npm?: Readonly<Record<string, { readonly integrity?: string }>>;
}

export interface Bill {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** An SPDX expression, or what a package says instead of one. */
type License = { readonly expression: string } | { readonly license: { readonly name: string } };

interface Component {
  readonly type: "application" | "library" | "platform";
  readonly "bom-ref": string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly License[];
  readonly hashes?: readonly { readonly alg: "SHA-512"; readonly content: string }[];
}

/**
 * @param licenseOf A package's SPDX expression, by its key in the graph; undefined when it does not say.
 * @throws {Error} When a package of the program is not in the lock: then nothing holds it to what was tested.
 */
export function billOf(
  program: { readonly name: string; readonly version: string; readonly license: string },
  graph: ModuleGraph,
  lock: Lock,
  licenseOf: (key: string) => string | undefined,
): Bill {
  const roots = [...new Set(graph.modules.flatMap(({ npmPackage }) => npmPackage ?? []))].toSorted();
  const keys = reachable(roots, graph);
  const deno: Component = {
    type: "platform",
    "bom-ref": `pkg:github/denoland/deno@v${DENO_VERSION}`,
    name: "deno",
    version: DENO_VERSION,
    purl: `pkg:github/denoland/deno@v${DENO_VERSION}`,
    licenses: [{ expression: "MIT" }],
  };
  const itself = `${program.name}@${program.version}`;
  const refOf = (key: string) => purlOf(graph.npmPackages[key]!);
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": itself,
        name: program.name,
        version: program.version,
        licenses: [{ expression: program.license }],
      },
    },
    components: [deno, ...keys.map((key) => componentOf(key, graph, lock, licenseOf(key)))],
    dependencies: [
      { ref: itself, dependsOn: [deno["bom-ref"], ...roots.map(refOf)] },
      ...keys.map((key) => ({
        ref: refOf(key),
        dependsOn: graph.npmPackages[key]!.dependencies.map(refOf).toSorted(),
      })),
    ],
  };
}

function licenseFor(said: string): License {
  const isExpression = /^\(?[A-Za-z0-9.+-]+\)?( (AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*$/.test(said);
  return isExpression ? { expression: said } : { license: { name: said } };
}

/** Sorted. */
function reachable(roots: readonly string[], graph: ModuleGraph): string[] {
  const seen = new Set(roots);
  for (const key of seen) graph.npmPackages[key]?.dependencies.forEach((one) => seen.add(one));
  return [...seen].toSorted();
}

function componentOf(key: string, graph: ModuleGraph, lock: Lock, license: string | undefined): Component {
  const { name, version } = graph.npmPackages[key]!;
  const integrity = /^sha512-(.+)$/.exec(lock.npm?.[key]?.integrity ?? "")?.[1];
  if (integrity === undefined) throw new Error(`deno.lock has no SHA-512 of ${key}`);
  const [scope, rest] = name.startsWith("@") ? name.split("/") : [undefined, name];
  return {
    type: "library",
    "bom-ref": purlOf({ name, version }),
    ...(scope === undefined ? {} : { group: scope }),
    name: rest!,
    version,
    purl: purlOf({ name, version }),
    ...(license === undefined ? {} : { licenses: [licenseFor(license)] }),
    hashes: [{ alg: "SHA-512", content: Uint8Array.fromBase64(integrity).toHex() }],
  };
}

function purlOf({ name, version }: { name: string; version: string }): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** The files that the compiler begins with: Workers are named by no import. */
export function entriesOf(root: string): string[] {
  const names = [...Deno.readDirSync(join(root, "lib", "io"))].map(({ name }) => name);
  const workers = names.filter((name) => name.endsWith("_worker.ts")).toSorted();
  return ["main.ts", ...workers.map((name) => `lib/io/${name}`)];
}

async function graphOf(root: string, entry: string): Promise<ModuleGraph> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: root,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`deno info does not understand ${entry}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** What several entries reach together. */
export function mergedGraph(graphs: readonly ModuleGraph[]): ModuleGraph {
  return {
    modules: graphs.flatMap(({ modules }) => modules),
    npmPackages: Object.assign({}, ...graphs.map(({ npmPackages }) => npmPackages)),
  };
}

if (import.meta.main) {
  const root = join(import.meta.dirname!, "..", "..");
  const config = JSON.parse(Deno.readTextFileSync(join(root, "deno.json")));
  const lock: Lock = JSON.parse(Deno.readTextFileSync(join(root, "deno.lock")));
  const graph = mergedGraph(await Promise.all(entriesOf(root).map((entry) => graphOf(root, entry))));
  const bill = billOf(
    { name: "nano-snap", version: config.version, license: config.license },
    graph,
    lock,
    (key) => {
      const path = graph.npmPackages[key]?.localPath;
      if (path === undefined) return undefined;
      const { license } = JSON.parse(Deno.readTextFileSync(join(path, "package.json")));
      return typeof license === "string" ? license : undefined;
    },
  );
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(bill, null, 2)}\n`));
}
