// A port is mapped by miniupnpd, which many routers run, in a namespace of its own: by NAT-PMP and by UPnP, seen in its
// nftables; and `produce seed` says so on its start.

import assert from "node:assert/strict";
import { inNamespace, needNamespace, scriptOf } from "./namespace.ts";
import { tempDir } from "./support.ts";

const CHAINS = `table inet filter {
  chain forward { type filter hook forward priority 0; policy drop; jump miniupnpd; }
  chain miniupnpd { }
  chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
`;

function daemon(speaks: "pmp" | "upnp"): string {
  return [
    "ext_ifname=ext0",
    // miniupnpd wants a public one. It leads nowhere here.
    "ext_ip=11.22.33.44",
    "listening_ip=lan0",
    `enable_natpmp=${speaks === "pmp" ? "yes" : "no"}`,
    `enable_upnp=${speaks === "upnp" ? "yes" : "no"}`,
    "port=5000",
    "uuid=00000000-0000-0000-0000-000000000001",
    "allow 1024-65535 10.9.0.0/24 1024-65535",
    "upnp_table_name=filter",
    "upnp_nat_table_name=filter",
    "upnp_forward_chain=miniupnpd",
    "upnp_nat_chain=prerouting_miniupnpd",
    "upnp_nat_postrouting_chain=postrouting_miniupnpd",
  ].join("\n") + "\n";
}

for (const speaks of ["pmp", "upnp"] as const) {
  const name = speaks === "pmp" ? "NAT-PMP" : "UPnP";
  Deno.test({
    name: `keepPortMapped() has miniupnpd pass TCP and UDP on by ${name}, and takes both back`,
    ignore: needNamespace("miniupnpd", "nft"),
    async fn() {
      await using temp = await tempDir();
      Deno.writeTextFileSync(temp.join("chains"), CHAINS);
      Deno.writeTextFileSync(temp.join("conf"), daemon(speaks));
      const { stdout } = await inNamespace(`
        ip link add ext0 type veth peer name ext1
        ip addr add 11.22.33.44/24 dev ext0
        ip link set ext0 up
        ip link set ext1 up
        ip link add lan0 type veth peer name inside
        ip addr add 10.9.0.1/24 dev lan0
        ip link set lan0 up
        ip netns add home
        ip link set inside netns home
        ip netns exec home ip link set lo up
        ip netns exec home ip addr add 10.9.0.2/24 dev inside
        ip netns exec home ip link set inside up
        ip netns exec home ip route add default via 10.9.0.1
        nft -f '${temp.join("chains")}'
        miniupnpd -d -f '${temp.join("conf")}' -P '${temp.join("pid")}' >'${temp.join("log")}' 2>&1 &
        until ss -lun | grep -q ':${speaks === "pmp" ? 5351 : 1900} '; do :; done
        mkfifo '${temp.join("go")}'
        ip netns exec home ${scriptOf("router_main.ts")} '${temp.join("go")}' &
        main=$!
        until grep -q mapped '${temp.join("go")}.said' 2>/dev/null; do :; done
        nft list chain inet filter prerouting_miniupnpd
        echo then
        echo go > '${temp.join("go")}'
        wait $main
        nft list chain inet filter prerouting_miniupnpd
        cat '${temp.join("go")}.said'
      `);
      const [before = "", after = ""] = stdout.split("then\n");
      for (const protocol of ["tcp", "udp"]) {
        const rule = new RegExp(
          `${protocol === "tcp" ? "0x6" : "0x11"} th dport 6881 dnat ip to 10\\.9\\.0\\.2:6881`,
        );
        assert.match(before, rule);
        assert.doesNotMatch(after, rule);
      }
      assert.match(
        after,
        new RegExp(
          `Others can reach this machine: the router passes port 6881 of 11\\.22\\.33\\.44 on to it \\(${name}\\)`,
        ),
      );
      assert.match(after, /isReachable true/);
      assert.ok(Number(/ended in (\d+) ms/.exec(after)?.[1]) < 3000, after);
    },
  });
}
