// Local Service Discovery with libtorrent on one network and no other way to meet: we find who announces, and who has
// announced before finds us.

import { inNamespace, needNamespace, scriptOf } from "./namespace.ts";
import { tempDir } from "./support.ts";

for (const [family, address] of [["IPv4", "10.9.0.1/24"], ["IPv6", "fd00:9::1/64"]] as const) {
  Deno.test({
    name:
      `get finds a libtorrent seed by LSD alone, and a libtorrent leech finds a seed of ours by it, by ${family}`,
    ignore: needNamespace("libtorrent") || (family === "IPv6" && !hasIpv6()),
    async fn() {
      await using temp = await tempDir();
      const isIpv6 = family === "IPv6";
      // Both ends of the line are here, and IPv6 would send to a group by either.
      const toGroup = "ip -6 route add multicast ff15::/16 dev v0 table local metric 1";
      await inNamespace(`
        ip link add v0 type veth peer name v1
        ip link set v0 up
        ip link set v1 up
        ip addr add ${address} dev v0 ${isIpv6 ? "nodad" : ""}
        ip route add default via ${isIpv6 ? "fd00:9::2" : "10.9.0.2"}
        ${isIpv6 ? toGroup : ""}
        ${scriptOf("lsd_main.ts")} '${temp.path}' ${family}
      `);
    },
  });
}

function hasIpv6(): boolean {
  try {
    return Deno.statSync("/proc/net/if_inet6").isFile;
  } catch {
    return false;
  }
}
