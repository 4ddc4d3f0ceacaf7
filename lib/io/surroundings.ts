// The network around this machine: its router as Linux tells it, and multicast by node:dgram. Deno 2.6 joins no group
// (EINVAL, whatever the interface): there the local network is not looked at; 2.9 does.

import { createSocket } from "node:dgram";
import { OperationFailed } from "../errors.ts";
import type { Surroundings } from "../ports.ts";
import { NodeDatagrams } from "./net.ts";
import { reasonOf } from "./os_error.ts";

export const systemSurroundings: Surroundings = {
  gateway() {
    try {
      return gatewayIn(Deno.readTextFileSync("/proc/net/route"));
    } catch {
      // Other systems have no such file.
      return undefined;
    }
  },

  async addressTowards(to, { timeoutMs, signal }) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      using connection = await Deno.connect({ hostname: to.host, port: to.port, signal: limit });
      return (connection.localAddr as Deno.NetAddr).hostname;
    } catch {
      return undefined;
    }
  },

  joinGroup(group, on) {
    return new Promise((resolve, reject) => {
      const isIpv6 = group.host.includes(":");
      const socket = createSocket({ type: isIpv6 ? "udp6" : "udp4", reuseAddr: true, ipv6Only: isIpv6 });
      const refuse = (error: unknown) => {
        socket.close();
        const why = reasonOf(error);
        reject(new OperationFailed(`Cannot listen to ${group.host}: ${why}`, { cause: error }));
      };
      socket.once("error", refuse);
      socket.bind(group.port, isIpv6 ? "::" : "0.0.0.0", () => {
        socket.off("error", refuse);
        try {
          socket.addMembership(group.host, on);
        } catch (error) {
          return refuse(error);
        }
        resolve(new NodeDatagrams(socket));
      });
    });
  },

  ipv6Addresses() {
    return Deno.networkInterfaces().filter(({ family }) => family === "IPv6").map(({ address }) => address);
  },
};

/** The default route's, out of /proc/net/route: addresses are little-endian hex. */
export function gatewayIn(table: string): string | undefined {
  for (const line of table.split("\n").slice(1)) {
    const [, destination, gateway = ""] = line.split(/\s+/);
    if (destination !== "00000000" || !/^[0-9A-F]{8}$/.test(gateway) || gateway === "00000000") continue;
    return [6, 4, 2, 0].map((at) => parseInt(gateway.slice(at, at + 2), 16)).join(".");
  }
  return undefined;
}
