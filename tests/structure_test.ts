// Holds the picture of ARCHITECTURE.md true by reading every file of lib/: who may import whom, who may touch the
// machine, and how long a file may be. To change the picture, change the tables here and the drawing there together.

import assert from "node:assert/strict";
import { join, posix, relative } from "node:path";
import { slashed } from "./windows.ts";

/** Folder under lib/ -> the folders whose files it may import. Its own and the leaves straight under lib/ it always may. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "": [], // the leaves: they may import one another
  dht: [],
  torrent: [],
  extract: [],
  ledger: [],
  release: [],
  node: [],
  snapshot: ["dht"],
  line: ["snapshot", "dht", "torrent"],
  mirror: ["line", "snapshot", "dht", "torrent", "extract", "ledger", "node"],
  producer: ["line", "snapshot", "dht", "torrent", "extract", "ledger"],
  status: ["snapshot", "torrent", "extract", "ledger"],
  inspect: ["mirror", "snapshot", "torrent", "extract", "ledger"],
  doctor: ["mirror", "line", "status", "node", "snapshot", "dht", "torrent", "ledger"],
  cli: [
    "doctor",
    "inspect",
    "mirror",
    "producer",
    "status",
    "line",
    "snapshot",
    "dht",
    "torrent",
    "extract",
    "ledger",
    "release",
    "node",
  ],
  io: [], // implements lib/ports.ts; nothing in lib imports it
};

/** The two ends of a Worker: its entry file, a small main.ts, imports what it runs; the client, that code's interface. */
const WORKER_END = /^io\/[a-z0-9_]+_(worker|client)\.ts$/;
const WORKERS_MAY_IMPORT: readonly string[] = ["torrent", "extract", "ledger", "producer"];

/** Modules of node: that only compute. All others reach the machine and belong in lib/io. */
const PURE_NODE = ["node:buffer", "node:crypto", "node:events", "node:path", "node:stream", "node:zlib"];

/** npm package -> the folders that may know it, so that it can be replaced there. Unlisted packages may go anywhere. */
const PACKAGE_HOMES: Record<string, readonly string[]> = {
  "bittorrent-dht": ["dht"],
  "@noble/ed25519": ["dht"],
  "7z-wasm": ["extract"],
  "modern-tar": ["extract"],
  "commander": ["cli"],
  "cli-progress": ["cli", "status"],
  "bencode": [], // the tests' oracle
  "fast-check": [],
  "yaml": [], // what tests/deploy reads
};

/** What reaches the machine, and the folders that may write it. */
const MACHINE: readonly { what: string; pattern: RegExp; homes: readonly string[] }[] = [
  { what: "Deno", pattern: /(?<![\w.$])Deno\s*[.[]/, homes: ["io"] },
  { what: "process", pattern: /(?<![\w.$])process\s*\./, homes: ["io"] },
  { what: "a clock", pattern: /\b(Date\.now|performance\.now)\b|\bnew Date\(\s*\)/, homes: ["io"] },
  {
    what: "a timer",
    pattern: /(?<![\w.$#])(setTimeout|setInterval|setImmediate)\s*\(|\bAbortSignal\.timeout\b/,
    homes: ["io"],
  },
  {
    what: "chance",
    pattern: /\bMath\.random\b|\bgetRandomValues\b|\brandom(Bytes|UUID|Int|FillSync|Fill)\b/,
    homes: ["io"],
  },
  { what: "the network", pattern: /(?<![\w.$#])fetch\s*\(|\bnew (WebSocket|EventSource)\b/, homes: ["io"] },
  { what: "a Worker", pattern: /\bnew Worker\s*\(/, homes: ["io"] },
  { what: "console", pattern: /(?<![\w.$])console\s*\./, homes: ["cli", "status"] },
];

/** At 400 to 600 lines a file holds two ideas. */
const MAX_LINES = 500;

Deno.test("lib/ keeps to the picture: imports, the machine, size", () => {
  const files = readLib();
  assert.ok(files.size > 20, `only ${files.size} files found: is this looking in the right place?`);
  assert.deepEqual(faults(files), []);
});

Deno.test("faults() names each kind of break, in invented files", () => {
  const broken: [path: string, source: string, fault: string][] = [
    ["dht/a.ts", `import { x } from "../torrent/b.ts";`, "dht/a.ts imports torrent/b.ts"],
    ["bytes.ts", `export * from "./dht/b.ts";`, "bytes.ts imports dht/b.ts"],
    ["mirror/a.ts", `import type {\n  X,\n} from "../io/b.ts";`, "mirror/a.ts imports io/b.ts"],
    ["io/files.ts", `import "../torrent/b.ts";`, "io/files.ts imports torrent/b.ts"],
    ["cli/a.ts", `await import("../../main.ts");`, "cli/a.ts imports ../main.ts"],
    ["cli/a.ts", `import x from "./a.ts";`, "cycle: cli/a.ts -> cli/a.ts"],
    ["new/a.ts", ``, "new/a.ts: folder new is not in the picture"],
    ["torrent/a.ts", `import fs from "node:fs";`, "torrent/a.ts imports node:fs"],
    ["mirror/a.ts", `import DHT from "bittorrent-dht";`, "mirror/a.ts imports bittorrent-dht"],
    ["mirror/a.ts", `import t from "modern-tar/sub";`, "mirror/a.ts imports modern-tar"],
    ["torrent/a.ts", "const t = `${Date.now()}`;", "torrent/a.ts:1 uses a clock"],
    ["torrent/a.ts", `// x\nDeno.exit(1);`, "torrent/a.ts:2 uses Deno"],
    ["torrent/a.ts", `/* two\nlines */ setTimeout(f, 1);`, "torrent/a.ts:2 uses a timer"],
    ["dht/a.ts", `const id = randomBytes(20);`, "dht/a.ts:1 uses chance"],
    ["dht/a.ts", `console.log("x");`, "dht/a.ts:1 uses console"],
    ["dht/a.ts", "x;\n".repeat(MAX_LINES + 1), `dht/a.ts has ${MAX_LINES + 1} lines`],
  ];
  for (const [path, source, fault] of broken) {
    assert.deepEqual(faults(new Map([[path, source]])), [fault], source);
  }
  const loop = new Map([["dht/a.ts", `import "./b.ts";`], ["dht/b.ts", `import "./a.ts";`]]);
  assert.deepEqual(faults(loop), ["cycle: dht/a.ts -> dht/b.ts -> dht/a.ts"]);
});

Deno.test("faults() lets through what only looks like a break", () => {
  const fine = new Map([
    ["cli/a.ts", `import { m } from "../mirror/b.ts";\nimport { o } from "../errors.ts";\nconsole.log("x");`],
    [
      "mirror/b.ts",
      `// import x from "../io/a.ts" and Deno.exit\nconst s = "Date.now() // no";\nclock.setTimeout(1);`,
    ],
    ["io/unpack_worker.ts", `import "../extract/a.ts";\nDeno.exit(0);`],
    ["extract/a.ts", `const day = new Date(unixMs); const u = "http://x"; const it = '"';\n/** Deno.exit */`],
    ["errors.ts", `import { createHash } from "node:crypto";`],
  ]);
  assert.deepEqual(faults(fine), []);
});

/** Every break of the tables above, as sentences. `files`: path under lib/ -> source. */
function faults(files: Map<string, string>): string[] {
  const found: string[] = [];
  const imports = new Map<string, string[]>();
  for (const [path, source] of files) {
    if (!(folderOf(path) in MAY_IMPORT)) {
      found.push(`${path}: folder ${folderOf(path)} is not in the picture`);
      continue;
    }
    const targets = importsOf(path, source);
    imports.set(path, targets.filter((target) => target.endsWith(".ts")));
    for (const target of targets) if (!mayImport(path, target)) found.push(`${path} imports ${target}`);
    found.push(...machineUses(path, source));
    const lines = source.trimEnd().split("\n").length;
    if (lines > MAX_LINES) found.push(`${path} has ${lines} lines`);
  }
  const cycle = findCycle(imports);
  if (cycle !== undefined) found.push(`cycle: ${cycle.join(" -> ")}`);
  return found;
}

function mayImport(path: string, target: string): boolean {
  const from = folderOf(path);
  if (target.startsWith("node:")) return from === "io" || PURE_NODE.includes(target);
  if (!/\.(ts|wasm|json|txt|hex)$/.test(target)) return PACKAGE_HOMES[target]?.includes(from) ?? true;
  if (target.startsWith("..")) return !target.endsWith(".ts"); // an asset outside lib/: AUTHORITY_PUBKEY's kind
  const to = folderOf(target);
  if (to === from || to === "") return true;
  if (WORKER_END.test(path) && WORKERS_MAY_IMPORT.includes(to)) return true;
  return MAY_IMPORT[from]?.includes(to) ?? false;
}

function machineUses(path: string, source: string): string[] {
  const lines = withoutText(source).split("\n");
  return MACHINE.flatMap(({ what, pattern, homes }) => {
    if (homes.includes(folderOf(path))) return [];
    return lines.flatMap((line, i) => pattern.test(line) ? [`${path}:${i + 1} uses ${what}`] : []);
  });
}

/** Files as paths under lib/, node: modules and packages by name. Types count: they tie as well. */
function importsOf(path: string, source: string): string[] {
  const code = withoutComments(source);
  const statement = /(?:^|[\s;}])(?:import|export)\b[^;"'`()]*?\bfrom\s*["']([^"']+)["']/g;
  const bare = /(?:^|[\s;}])import\s*\(?\s*["']([^"']+)["']/g;
  const specifiers = [...code.matchAll(statement), ...code.matchAll(bare)].map((match) => match[1] ?? "");
  return [...new Set(specifiers)].map((specifier) => {
    if (specifier.startsWith(".")) return posix.join(posix.dirname(path), specifier);
    if (specifier.startsWith("node:")) return specifier.replace(/^(node:[a-z_]+).*/, "$1");
    return specifier.replace(/^npm:/, "").replace(/^((?:@[^/]+\/)?[^/@]+).*/, "$1");
  });
}

/** The first circle met, its first file repeated at the end. */
function findCycle(imports: Map<string, string[]>): string[] | undefined {
  const done = new Set<string>();
  const walk = (path: string, trail: string[]): string[] | undefined => {
    const seen = trail.indexOf(path);
    if (seen >= 0) return [...trail.slice(seen), path];
    if (done.has(path)) return undefined;
    for (const target of imports.get(path) ?? []) {
      const cycle = walk(target, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of imports.keys()) {
    const cycle = walk(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

const COMMENT_OR_TEXT = /\/\/.*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

/** Comments go, lines stay where they were. */
function withoutComments(source: string): string {
  return source.replace(COMMENT_OR_TEXT, (part) => part.startsWith("/") ? part.replace(/[^\n]/g, "") : part);
}

/** Comments and texts go, except the code inside a template's `${}`; lines stay where they were. */
function withoutText(source: string): string {
  return source.replace(COMMENT_OR_TEXT, (part) => {
    if (part.startsWith("`")) return part.replace(/\$\{([^}]*)\}|[^\n]/g, (_, code?: string) => code ?? "");
    return part.replace(/[^\n]/g, "");
  });
}

function folderOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

function readLib(): Map<string, string> {
  const root = join(import.meta.dirname ?? ".", "..", "lib");
  const files = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of Deno.readDirSync(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) visit(path);
      else if (entry.name.endsWith(".ts")) {
        files.set(slashed(relative(root, path)), Deno.readTextFileSync(path));
      }
    }
  };
  visit(root);
  return files;
}
