// Looks at two files that the runtime gives one inode number, of which somebody has b open; see inode_test.ts. Its word:
// their folder.

import { systemFiles } from "../../lib/io/files.ts";
import { findHolders } from "../../lib/io/holders.ts";

const folder = Deno.args[0]!;
const [a, b] = [`${folder}/a`, `${folder}/b`];
const rounded = [a, b].map((path) => Deno.statSync(path).ino);
const inodes = [a, b].map((path) => systemFiles.stat(path)!.inode);
const holders = [a, b].map((path) => findHolders([path])!.map(({ name }) => name));
const file = systemFiles.open(b, "read");
const open = [file.facts().inode];
// Whatever the names lead to later.
Deno.renameSync(b, `${b}.old`);
Deno.renameSync(a, b);
open.push(file.facts().inode, systemFiles.stat(`${b}.old`)!.inode);
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ rounded, inodes, holders, open })));
