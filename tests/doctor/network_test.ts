import assert from "node:assert/strict";
import { silence } from "../../lib/doctor/network.ts";

const ROUTERS = [{ host: "a.example", port: 6881 }, { host: "b.example", port: 6881 }];

Deno.test("silence() blames the names only when none of them leads anywhere", async () => {
  const nameless = await silence({ resolve: () => Promise.resolve([]) }, ROUTERS);
  assert.equal(nameless.verdict, "fail");
  assert.match(nameless.text, /a\.example, b\.example cannot be resolved/);
  assert.match(nameless.remedy ?? "", /DNS.*--dht-bootstrap/);
  const half = await silence(
    { resolve: (host) => Promise.resolve(host === "b.example" ? ["192.0.2.1"] : []) },
    ROUTERS,
  );
  assert.equal(half.text, "no DHT node answered");
  assert.match(half.remedy ?? "", /outgoing UDP/);
});
