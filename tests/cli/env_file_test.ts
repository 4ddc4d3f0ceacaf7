import assert from "node:assert/strict";
import { Inputs, withoutFile } from "../../lib/cli/inputs.ts";
import { EnvFile, parseVariables } from "../../lib/cli/env_file.ts";
import { utf8 } from "../../lib/bytes.ts";
import { PathUnusable, UsageError } from "../../lib/errors.ts";

const files = (text?: string | Uint8Array) => ({
  read: () => typeof text === "string" ? utf8(text) : text,
});
const given = (text: string) => ({ text, name: "--env-file" });

Deno.test("parseVariables() takes NAME=value lines as systemd and docker do", () => {
  const text = [
    "# a comment",
    "; another",
    "",
    "UP_LIMIT=5M",
    '  SCHEDULE = "08:00-18:00=500K, 22:00-06:00=0"  ',
    "ON_UPDATE='/opt/new snapshot'",
    "EMPTY=",
    'QUOTED=""',
    "MATH=a=b#c",
    "UP_LIMIT=6M\r",
  ].join("\n");
  assert.deepEqual(Object.fromEntries(parseVariables(text, "f")), {
    UP_LIMIT: "6M",
    SCHEDULE: "08:00-18:00=500K, 22:00-06:00=0",
    ON_UPDATE: "/opt/new snapshot",
    EMPTY: "",
    QUOTED: "",
    MATH: "a=b#c",
  });
});

Deno.test("parseVariables() names the line that is none", () => {
  for (const line of ["UP_LIMIT 5M", "export UP_LIMIT=5M", "5=6", "=x", 'A="b', "A='b\"", "UP-LIMIT=5"]) {
    assert.throws(() => parseVariables(`# first\n${line}\n`, "/etc/x.env"), (error) => {
      return error instanceof UsageError && error.message === "/etc/x.env, line 2, is not NAME=value";
    }, line);
  }
});

Deno.test("EnvFile must be there unless a - says otherwise, and be text", () => {
  assert.throws(() => new EnvFile(given("/x.env")).read(files()), PathUnusable);
  assert.equal(new EnvFile(given("-/x.env")).read(files()).values.size, 0);
  assert.equal(new EnvFile(given("-/x.env")).path, "/x.env");
  assert.throws(() => new EnvFile(given("/x.env")).read(files(Uint8Array.of(0xff))), UsageError);
  for (const text of ["", "-"]) assert.throws(() => new EnvFile(given(text)), UsageError);
});

Deno.test("Inputs: a flag goes before the environment, that before the file, and a refusal names it", () => {
  const file = { path: "/x.env", values: new Map([["PORT", "3"], ["DATA_DIR", "/file"], ["SALT", " "]]) };
  const inputs = new Inputs({ port: "1" }, { PORT: "2", DATA_DIR: "" }, file);
  assert.deepEqual(inputs.text("--port", "PORT"), { text: "1", name: "--port" });
  assert.deepEqual(inputs.variable("PORT"), { text: "2", name: "PORT" });
  assert.deepEqual(inputs.variable("DATA_DIR"), { text: "/file", name: "DATA_DIR in /x.env" });
  assert.equal(inputs.variable("SALT"), undefined);
});

Deno.test("Inputs knows what nobody asked for, whether a flag was before it or not", () => {
  const values = new Map([["PORT", "3"], ["UP_LIMT", "5M"], ["TZ", "UTC"]]);
  const inputs = new Inputs({ port: "1" }, {}, { path: "/x.env", values });
  inputs.text("--port", "PORT");
  assert.deepEqual(inputs.unread({ TZ: "UTC" }), ["UP_LIMT"]);
});

Deno.test("withoutFile() takes out what systemd put there from the same file, and nothing else", () => {
  const values = new Map([["UP_LIMIT", "5M"], ["KEEP_SNAPSHOTS", "1"]]);
  assert.deepEqual(
    withoutFile({ UP_LIMIT: "5M", KEEP_SNAPSHOTS: "2", HOME: "/root" }, { path: "", values }),
    { KEEP_SNAPSHOTS: "2", HOME: "/root" },
  );
});
