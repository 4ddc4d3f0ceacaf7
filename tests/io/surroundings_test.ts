import assert from "node:assert/strict";
import { gatewayIn, systemSurroundings } from "../../lib/io/surroundings.ts";

const HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

Deno.test("gatewayIn() reads the default route of Linux's table, and none where there is none", () => {
  const near = "v0\t0000090A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
  const out = "v0\t00000000\t0200090A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
  assert.equal(gatewayIn(HEAD + near + out), "10.9.0.2");
  // A tunnel has a default route without a router.
  const tunnel = "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
  assert.equal(gatewayIn(HEAD + tunnel + near), undefined);
  assert.equal(gatewayIn(HEAD + tunnel + out), "10.9.0.2");
  assert.equal(gatewayIn(""), undefined);
});

Deno.test("addressTowards() gives our address on the way to a port, and none where nothing answers", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname: host, port } = listener.addr;
  const options = { timeoutMs: 5000, signal: new AbortController().signal };
  const accepted = listener.accept().then((connection) => connection.close());
  assert.equal(await systemSurroundings.addressTowards({ host, port }, options), "127.0.0.1");
  await accepted;
  listener.close();
  assert.equal(await systemSurroundings.addressTowards({ host, port }, options), undefined);
});

Deno.test("ipv6Addresses() gives addresses of that family only", () => {
  // A machine without any is fine.
  for (const address of systemSurroundings.ipv6Addresses()) {
    assert.match(address, /^[0-9a-f:.]*:[0-9a-f:.]*$/);
  }
});
