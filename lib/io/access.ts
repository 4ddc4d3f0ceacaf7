// Who owns files, and who may do what with them. Links are not followed where something is changed: whoever may write
// into a folder could have put one there.

import * as fs from "node:fs";
import { PathUnusable } from "../errors.ts";
import type { Access } from "../ports.ts";
import { errnoOf, pathError } from "./os_error.ts";

export const systemAccess: Access = {
  self: ourselves(),

  ownerOf(path) {
    if (!HAS_OWNERS) return undefined;
    try {
      const { uid, gid } = fs.statSync(path);
      return { uid, gid };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw pathError("look at", path, error);
    }
  },

  give(path, owner, mode) {
    if (!HAS_OWNERS) return;
    try {
      const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
      try {
        const stats = fs.fstatSync(fd);
        if (!stats.isDirectory() && !(stats.isFile() && stats.nlink === 1)) {
          throw new PathUnusable(`Cannot give ${path} to its user: it is not a file of our own`);
        }
        if (owner !== undefined && (owner.uid !== stats.uid || owner.gid !== stats.gid)) {
          giveTo(fd, stats, owner);
        }
        fs.fchmodSync(fd, mode);
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    } catch (error) {
      if (error instanceof PathUnusable) throw error;
      throw pathError("set the owner and mode of", path, error);
    }
  },
};

/** Whoever is not root can give nothing away, and not into a group of others: the owner alone matters to the node. */
function giveTo(fd: number, stats: fs.Stats, owner: { uid: number; gid: number }): void {
  try {
    fs.fchownSync(fd, owner.uid, owner.gid);
  } catch (error) {
    if (owner.uid !== stats.uid) throw error;
  }
}

function ourselves(): { uid: number; gid: number } | undefined {
  const [uid, gid] = [Deno.uid(), Deno.gid()];
  return uid === null || gid === null ? undefined : { uid, gid };
}

const HAS_OWNERS = Deno.build.os !== "windows";
