// Our port and the DHT. What only others can see, whether they reach us, is taken from a run that has the data directory.

import { PUBLIC_ROUTERS } from "../dht/routers.ts";
import { SnapError } from "../errors.ts";
import { Line } from "../line/line.ts";
import type { LineMachine } from "../line/machine.ts";
import type { Endpoint, Net } from "../ports.ts";
import { unwritten } from "../unwritten_files.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

export interface NetworkLook {
  readonly port: number;
  readonly bind: readonly string[];
  readonly bootstrap: readonly Endpoint[] | undefined;
  readonly isDhtEnabled: boolean;
  /** Known nodes of earlier runs. */
  readonly dhtCache: string;
  /** What a run that has the data directory says of itself; undefined when none runs. */
  readonly run: { readonly isReachable: boolean | undefined } | undefined;
  readonly signal: AbortSignal;
}

/** Opens the port, connects to it from here, and asks the DHT for its nodes. Nothing is announced. */
export async function lookAtNetwork(machine: LineMachine, look: NetworkLook): Promise<Finding[]> {
  const findings: Finding[] = [];
  const options = (port: number) => ({
    port,
    bind: look.bind,
    dht: { enabled: look.isDhtEnabled, bootstrap: look.bootstrap },
    maxPeers: 4,
    downLimit: undefined,
    upLimit: undefined,
  });
  const quiet = { ...machine, client: machine.client, files: unwritten(machine.files) };
  let line: Line | undefined;
  try {
    line = await Line.open(quiet, look.dhtCache, options(look.port), () => {});
    findings.push(await tryPort(machine, line.port, look));
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    findings.push(
      look.run === undefined
        ? fail("port", error.message, "end what has it, or take another: --port")
        : ok("port", `the run that has the data directory uses port ${look.port}`),
    );
  }
  findings.push(mapping(look));
  try {
    line ??= await Line.open(quiet, look.dhtCache, options(0), () => {});
    findings.push(await askDht(machine, line, look));
  } catch (error) {
    if (!(error instanceof SnapError) || look.signal.aborted) throw error;
    findings.push(fail("dht", error.message, "see the port"));
  } finally {
    await line?.[Symbol.asyncDispose]();
  }
  return findings;
}

async function tryPort({ net }: LineMachine, port: number, { bind, signal }: NetworkLook): Promise<Finding> {
  const host = bind[0] ?? "127.0.0.1";
  try {
    const connection = await net.dialTcp({ host, port }, { timeoutMs: LOCAL_MS, signal });
    connection.close();
    return ok("port", `TCP and UDP port ${port} is free, and can be connected to from this machine`);
  } catch (error) {
    if (signal.aborted) throw error;
    return fail(
      "port",
      `port ${port} is free, and cannot be connected to even from this machine`,
      `allow TCP and UDP port ${port} in the firewall`,
    );
  }
}

function mapping({ run, port }: NetworkLook): Finding {
  if (run?.isReachable === true) {
    return ok("mapping", "others have connected to the run that has the data directory");
  }
  const remedy = `forward TCP and UDP port ${
    port || "of your choice (--port)"
  } to this machine, on the router too`;
  if (run?.isReachable === false) {
    return warn(
      "mapping",
      "nobody from outside has connected to the run that has the data directory",
      remedy,
    );
  }
  return warn(
    "mapping",
    "whether others reach the port shows only while a run is announced; downloads work without, slower",
    remedy,
  );
}

async function askDht(
  { clock, net }: LineMachine,
  line: Line,
  { signal, isDhtEnabled, bootstrap }: NetworkLook,
): Promise<Finding> {
  if (!isDhtEnabled || line.dht === undefined) {
    return warn("dht", "it is switched off", "leave --no-dht out: it finds the newest snapshot");
  }
  const late = new AbortController();
  const answered = new AbortController();
  const timer = clock.sleep(DHT_MS, answered.signal).then(() => late.abort());
  try {
    await line.dht.ready(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (!late.signal.aborted) throw error;
  } finally {
    answered.abort();
    await timer;
  }
  const { nodeCount } = line.dht;
  if (nodeCount > 0) return ok("dht", `${nodeCount} DHT nodes are known and answer`);
  return await silence(net, bootstrap ?? PUBLIC_ROUTERS);
}

/** Why no DHT node answered, as far as this machine knows: the names of those who are asked first lead nowhere, or UDP. */
export async function silence(
  net: Pick<Net, "resolve">,
  routers: readonly Endpoint[],
): Promise<Finding> {
  const addresses = await Promise.all(routers.map(({ host }) => net.resolve(host)));
  if (addresses.every(({ length }) => length === 0)) {
    return fail(
      "dht",
      `no DHT node answered: ${routers.map(({ host }) => host).join(", ")} cannot be resolved to an address`,
      "see to this machine's DNS, or name a node by its address: --dht-bootstrap HOST:PORT",
    );
  }
  return fail(
    "dht",
    "no DHT node answered",
    "allow outgoing UDP to any port and its answers, or name a node that can be reached: --dht-bootstrap HOST:PORT",
  );
}

/** To ourselves. */
const LOCAL_MS = 3000;
const DHT_MS = 10_000;
