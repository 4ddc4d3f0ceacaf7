// docs/configuration.md against the program; that it is what the program says, tests/docs_test.ts has.

import assert from "node:assert/strict";
import { join } from "node:path";
import { flatten } from "../lib/cli/command_tree.ts";
import { wholeTree } from "./cli/programs.ts";
import { ACCEPTED, PAGE, VARIABLES } from "./configuration_page.ts";

const CLI = join(import.meta.dirname ?? ".", "..", "lib", "cli");

Deno.test("docs/configuration.md names every variable that a command reads", () => {
  const page = Deno.readTextFileSync(PAGE);
  let found = 0;
  for (const { name } of Deno.readDirSync(CLI)) {
    const source = Deno.readTextFileSync(join(CLI, name));
    const reads = source.matchAll(/(?:\.variable\(|\.text\("--[^)]*?|\.env\[)\s*"([A-Z][A-Z0-9_]+)"/g);
    for (const [, variable = ""] of reads) {
      found++;
      assert.ok(page.includes(`| \`${variable}\``), `${name} reads ${variable}`);
    }
  }
  assert.ok(found > 15, `only ${found} found: is this looking in the right place?`);
});

Deno.test("configurationPage() explains nothing that is not there any more", async () => {
  const options = flatten(await wholeTree()).flatMap(({ options }) => options);
  const hidden = new Set(options.filter(({ isHidden }) => isHidden).map(({ long }) => long));
  assert.deepEqual(Object.keys(ACCEPTED).filter((long) => !hidden.has(long)), []);
  const flagged = new Set(options.map(({ variable }) => variable));
  assert.deepEqual(Object.keys(VARIABLES).filter((name) => flagged.has(name)), []);
});

Deno.test("every flag's help is in the form that the tables are made of", async () => {
  for (const { path, options } of flatten(await wholeTree())) {
    for (const { long, meaning, isHidden, value, preset, takes, choices } of options) {
      const where = `${path.join(" ")} ${long}`;
      assert.ok(isHidden || meaning !== "", where);
      assert.doesNotMatch(
        meaning,
        /\b(env [A-Z]|default:)/,
        `${where}: only at the end, as (env X; default: y)`,
      );
      assert.ok(preset === undefined || preset !== "", where);
      assert.equal(takes === "choice", choices.length > 0, where);
      if (takes === "choice") assert.match(value ?? "", /level|format/);
    }
  }
});
