// The program that this is: where its file lies, and for what it was compiled.

import { chmodSync } from "node:fs";
import type { OwnProgram } from "../ports.ts";
import { pathError } from "./os_error.ts";

export const ownProgram: OwnProgram = {
  path: Deno.build.standalone ? Deno.execPath() : undefined,
  target: Deno.build.target,
  canReplace: Deno.build.os !== "windows",

  setMode(path, mode) {
    if (Deno.build.os === "windows") return;
    try {
      chmodSync(path, mode);
    } catch (error) {
      throw pathError("set the mode of", path, error);
    }
  },
};
