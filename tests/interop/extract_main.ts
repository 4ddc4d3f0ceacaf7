// `deno run` of the Worker client as a program of its own: unpacks the archive of argument 1 into folder 2 and prints
// the result as JSON.

import { WorkerExtractor } from "../../lib/io/extract_client.ts";

const [archive = "", into = ""] = Deno.args;
const extracted = await new WorkerExtractor().extract({ archive, into });
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(extracted) + "\n"));
