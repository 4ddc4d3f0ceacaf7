import assert from "node:assert/strict";
import { reasonIn } from "../../deploy/failure.ts";

Deno.test("reasonIn() names the download that failed, and why", () => {
  const text = `error: Writing deno compile executable to temporary file '/x.tmp-1'

Caused by:
    0: Setting up base binary.
    1: error sending request for url (https://example.com/denort.zip): client error (Connect)
    2: client error (Connect)
    3: failed to lookup address information: Name or service not known

Stack backtrace:
   0: <unknown>
`;
  assert.equal(
    reasonIn(text),
    "cannot download https://example.com/denort.zip: failed to lookup address information: Name or service not known",
  );
});

Deno.test("reasonIn() gives Deno's own sentence, or the last line where there is none", () => {
  assert.equal(reasonIn("warning: x\nerror: The lockfile is out of date.\n"), "The lockfile is out of date.");
  assert.equal(reasonIn("npm warn x\nsomething else\n"), "something else");
  assert.equal(reasonIn(""), "the compiler failed without a word");
});
