import assert from "node:assert/strict";
import { join } from "node:path";
import { answerWatchdog } from "../../lib/io/watchdog.ts";
import { tempDir } from "../interop/support.ts";

const options = { ignore: Deno.build.os === "windows" };

Deno.test("answerWatchdog() says again and again that we live", options, async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "notify");
  const manager = Deno.listenDatagram({ transport: "unixpacket", path });
  const asked = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "20000", WATCHDOG_PID: String(Deno.pid) };
  const said: string[] = [];
  const answering = answerWatchdog(asked, (sentence) => said.push(sentence));
  for (let turn = 0; turn < 3; turn++) {
    const [bytes] = await manager.receive();
    assert.equal(new TextDecoder().decode(bytes), "WATCHDOG=1");
  }
  answering?.[Symbol.dispose]();
  manager.close();
  assert.deepEqual(said, []);
});

Deno.test("answerWatchdog() says once that nobody is there", options, async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "nobody");
  const said = Promise.withResolvers<string>();
  const answering = answerWatchdog({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "20000" }, said.resolve);
  assert.match(await said.promise, /^Cannot answer the service manager's watchdog at \/.*nobody: /);
  answering?.[Symbol.dispose]();
});

Deno.test("answerWatchdog() is for whom it is asked, and for no nonsense", options, () => {
  const tell = (sentence: string) => assert.fail(sentence);
  const NOTIFY_SOCKET = "/run/systemd/notify";
  assert.equal(answerWatchdog({}, tell), undefined);
  assert.equal(answerWatchdog({ NOTIFY_SOCKET }, tell), undefined);
  assert.equal(answerWatchdog({ WATCHDOG_USEC: "1000000" }, tell), undefined);
  for (const WATCHDOG_USEC of ["", "0", "-1", "soon", "1e99"]) {
    assert.equal(answerWatchdog({ NOTIFY_SOCKET, WATCHDOG_USEC }, tell), undefined, WATCHDOG_USEC);
  }
  const others = { NOTIFY_SOCKET, WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" };
  assert.equal(answerWatchdog(others, tell), undefined);
});
