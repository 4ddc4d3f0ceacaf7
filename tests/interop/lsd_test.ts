// Local Service Discovery with libtorrent on one network and no other way to meet: we find who announces, and who has
// announced before finds us.

import { inNamespace, needNamespace, scriptOf } from "./namespace.ts";
import { tempDir } from "./support.ts";

Deno.test({
  name: "get finds a libtorrent seed by LSD alone, and a libtorrent leech finds a seed of ours by it",
  ignore: needNamespace("libtorrent"),
  async fn() {
    await using temp = await tempDir();
    await inNamespace(`
      ip link add v0 type veth peer name v1
      ip addr add 10.9.0.1/24 dev v0
      ip link set v0 up
      ip link set v1 up
      ip route add default via 10.9.0.2
      ${scriptOf("lsd_main.ts")} '${temp.path}'
    `);
  },
});
