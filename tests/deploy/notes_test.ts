// deploy/release/notes.ts on invented change logs, and on ours.

import assert from "node:assert/strict";
import { NoRelease, notesOf, versionOfTag } from "../../deploy/release/notes.ts";
import { read } from "./tree.ts";

const CHANGELOG = `# Changelog

## [Unreleased]

- later

## [1.2.0] - 2026-12-01

### Added

- this

## [1.2.0-rc.1] - 2026-11-30

- that

[1.2.0]: https://example.org
`;

Deno.test("notesOf() cuts one version's section, up to the next or to the links", () => {
  assert.equal(notesOf(CHANGELOG, "1.2.0"), "### Added\n\n- this\n");
  assert.equal(notesOf(CHANGELOG, "1.2.0-rc.1"), "- that\n");
  assert.equal(notesOf(CHANGELOG.replaceAll("\n", "\r\n"), "1.2.0-rc.1"), "- that\n");
});

Deno.test("notesOf() refuses a version without a section, or with an empty one", () => {
  for (const version of ["1.2", "1.2.1", "Unreleased]"]) {
    assert.throws(() => notesOf(CHANGELOG, version), NoRelease, version);
  }
  assert.throws(() => notesOf("## [1.0.0]\n\n### Added\n\n## [0.9.0]\n\n- x\n", "1.0.0"), /says nothing/);
});

Deno.test("notesOf() reads our CHANGELOG.md, whose newest section is what the next release has", () => {
  assert.match(notesOf(read("CHANGELOG.md"), "Unreleased"), /^### Added$/m);
});

Deno.test("versionOfTag() wants deno.json's version behind a v", () => {
  assert.equal(versionOfTag("v1.2.0", "1.2.0"), "1.2.0");
  for (const tag of ["1.2.0", "v1.2", "v1.2.1", "v1.2.0-rc.1", ""]) {
    assert.throws(() => versionOfTag(tag, "1.2.0"), NoRelease, tag);
  }
});
