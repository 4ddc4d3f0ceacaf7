// What the documents say against what the code says, without running anything heavy. tests/interop/docs_test.ts runs
// their commands.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { RELEASES_URL } from "../lib/about.ts";
import { EXIT } from "../lib/errors.ts";
import { wholeTree, written } from "./cli/programs.ts";
import { configurationPage, formatted, PAGE } from "./configuration_page.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");

function read(...path: string[]): string {
  return Deno.readTextFileSync(join(ROOT, ...path));
}

Deno.test("docs/mirror-leech-mode.md lists every exit code once, and no other", () => {
  const text = read("docs", "mirror-leech-mode.md");
  const cells = [...text.matchAll(/^\| (\d[\d, ]*?) *\|/gm)].flatMap((row) => (row[1] ?? "").split(", "));
  assert.deepEqual(cells.map(Number), Object.values(EXIT).toSorted((a, b) => a - b));
});

Deno.test("README.md lists every option and variable of `get --help`, and no other", async () => {
  const help = await written("get", "--help");
  const table = read("README.md").split("\n").filter((line) => line.startsWith("| `--")).join("\n");
  const options = (text: string) => [...new Set(text.match(/--[a-z][a-z-]+/g))].toSorted();
  const offered = help.split("\n").map((line) => /^ {2}(?:-h, )?(--[a-z-]+)/.exec(line)?.[1]);
  assert.deepEqual(options(table), options(offered.join(" ")).filter((name) => name !== "--help"));
  const named = [...table.matchAll(/`([A-Z]+_[A-Z_]+|PORT)`/g)].map(([, name = ""]) => name);
  const variables = help.replaceAll(/\s+/g, " ").matchAll(/\(env (\w+)/g);
  // The older of two names for the key: help has room for one.
  assert.deepEqual(
    named.toSorted(),
    [...new Set([...variables].map(([, name = ""]) => name)), "AUTHORITY_PUBKEY"].toSorted(),
  );
});

Deno.test("README.md tests with the command that .ci/run runs, and names tasks that exist", () => {
  const readme = read("README.md");
  const tasks = Object.keys(JSON.parse(read("deno.json")).tasks);
  const lines = readme.match(/^npx -y deno@\S+ task .*$/gm) ?? [];
  assert.ok(lines.length > 0);
  for (const line of lines) {
    assert.ok(tasks.includes(line.split(" task ")[1] ?? ""), line);
    assert.ok(read(".ci", "run").includes(`\n${line}\n`), line);
  }
});

Deno.test("install.sh, the program and the documents name the same home of releases", () => {
  const home = /HOME_PAGE=(\S+)/.exec(read("install.sh"))?.[1];
  const line = `curl -fsSL ${home}/releases/latest/download/install.sh | sh`;
  for (const page of ["README.md", "install.sh", "docs/install.md"]) {
    assert.ok(read(page).includes(line), page);
  }
  assert.equal(RELEASES_URL, `${home}/releases`);
});

const PAGES = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "docs/configuration.md",
  "docs/deploy.md",
  "docs/install.md",
  "docs/mirror-leech-mode.md",
  "docs/monitoring.md",
  "docs/performance.md",
  "docs/producer-guide.md",
  "docs/releasing.md",
];
for (const page of PAGES) {
  Deno.test(`${page} links only to files and headings that exist`, () => {
    for (const [, link = ""] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      assert.ok(Deno.statSync(join(ROOT, target)).isFile, link);
      const headings = read(target).matchAll(/^#+ (.*)$/gm);
      const anchors = [...headings].map(([, text = ""]) =>
        text.toLowerCase().replaceAll(/[^a-z0-9 -]/g, "").replaceAll(" ", "-")
      );
      assert.ok(anchor === undefined || anchors.includes(anchor), link);
    }
  });
}

Deno.test("docs/configuration.md is what the program says; `deno task docs` writes it", async () => {
  const made = await formatted(configurationPage(await wholeTree()));
  assert.equal(Deno.readTextFileSync(PAGE), made, "run: deno task docs");
});

Deno.test("ARCHITECTURE.md names every file of lib/ in its folder's part, and no file that is not there", () => {
  const text = read("ARCHITECTURE.md");
  const lies = text.slice(text.indexOf("## What lies where"), text.indexOf("## What happens"));
  const parts = new Map(
    lies.split(/^\*\*(?=lib\/)/m).slice(1).map((part) => {
      const folder = part.slice(0, part.indexOf("**"));
      return [
        folder,
        [...part.split(/^\*\*/m)[0]!.matchAll(/`((?:wasm\/)?[a-z0-9_]+(?:\.d)?\.ts)`/g)].map((
          [, name = ""],
        ) => name),
      ];
    }),
  );
  const folders = [
    "lib/",
    ...list("lib").filter((name) => !name.endsWith(".ts")).map((name) => `lib/${name}/`),
  ];
  assert.deepEqual([...parts.keys()].toSorted(), folders.toSorted());
  for (const folder of folders) {
    const inner = list(folder).includes("wasm") ? list(`${folder}wasm`).map((name) => `wasm/${name}`) : [];
    const files = [...list(folder), ...inner].filter((name) => name.endsWith(".ts"));
    assert.deepEqual(parts.get(folder)?.toSorted(), files, `in the part of ${folder}`);
  }
  const all = new Set([...folders, "lib/ledger/wasm", "deploy"].flatMap(list));
  const elsewhere = text.replaceAll(/tests\/\S+/g, "").matchAll(/`(?:[a-z]+\/)*([a-z0-9_]+\.ts)`/g);
  for (const [, name = ""] of elsewhere) {
    assert.ok(all.has(name) || name === "main.ts" || name === "mod.ts", name);
  }
});

/** Sorted. */
function list(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].map((entry) => entry.name).toSorted();
}
