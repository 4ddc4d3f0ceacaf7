// Tells a service manager that our event loop still turns (sd_notify(3), WATCHDOG=1): who no longer says so is killed and
// started again. Only where the manager asks for it by its environment, as systemd does for units with WatchdogSec=.

import { join } from "node:path";

const ALIVE = new TextEncoder().encode("WATCHDOG=1");
/** As sd_watchdog_enabled(3) advises: twice in the time that the manager waits. */
const PER_TIMEOUT = 2;
/** Longer than any manager waits, and still a number that a timer takes. */
const MAX_TIMEOUT_MS = 24 * 3600_000;

/**
 * Answers until it is disposed of or the process ends.
 *
 * @param tell Gets one sentence, once, when the manager asks and can't be answered: it will end this process.
 * @returns undefined when nobody asks this process.
 */
export function answerWatchdog(
  env: Readonly<Record<string, string>>,
  tell: (sentence: string) => void,
): Disposable | undefined {
  const path = env["NOTIFY_SOCKET"];
  const timeoutMs = Number(env["WATCHDOG_USEC"]) / 1000;
  const isMeant = env["WATCHDOG_PID"] === undefined || env["WATCHDOG_PID"] === String(Deno.pid);
  if (path === undefined || !isMeant || !(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) return undefined;
  const fail = (error: unknown) => {
    clearInterval(timer);
    tell(`Cannot answer the service manager's watchdog at ${path}: ${(error as Error).message}`);
  };
  let socket: Deno.DatagramConn | undefined;
  const timer = setInterval(() => {
    socket?.send(ALIVE, { transport: "unixpacket", path }).catch(fail);
  }, timeoutMs / PER_TIMEOUT);
  try {
    socket = openSocket();
  } catch (error) {
    fail(error);
  }
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      socket?.close();
    },
  };
}

/** A datagram socket must have a name here; nobody ever writes to ours, so the name goes at once. */
function openSocket(): Deno.DatagramConn {
  const folder = Deno.makeTempDirSync({ prefix: "nano-snap-watchdog-" });
  try {
    return Deno.listenDatagram({ transport: "unixpacket", path: join(folder, "socket") });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
