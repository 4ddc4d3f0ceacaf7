// A turn of the event loop, for long work that is done in parts on the thread that also serves others.

/** A macrotask, so that sockets and timers are served in between. */
export function nextTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
