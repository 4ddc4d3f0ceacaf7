import assert from "node:assert/strict";
import type { RunEvent } from "../../lib/events.ts";
import { View, type ViewOptions } from "../../lib/status/view.ts";

/** A view over a clock that the test moves, and everything it wrote. */
function watching(options: Partial<ViewOptions> = {}) {
  const seen = { text: "", nowMs: 0 };
  const view = new View({
    level: "info",
    format: "text",
    color: false,
    logger: "mirror.watcher",
    bar: false,
    columns: () => 200,
    write: (text) => seen.text += text,
    clock: {
      nowMs: () => seen.nowMs,
      unixMs: () => new Date(2026, 7, 13, 4, 5, 6).getTime(),
      sleep: () => Promise.resolve(),
    },
    ...options,
  });
  /** Escape as a letter that can be read in an expectation. */
  const plain = () => seen.text.replaceAll("\x1b", "ESC");
  return { view, seen, plain, lines: () => seen.text.split("\n").slice(0, -1) };
}

const note = (level: "debug" | "info" | "warning" | "error", text: string): RunEvent => (
  { kind: "note", level, logger: "mirror.discovery", text }
);

const transfer = (doneBytes: number, unpackedBytes?: number): RunEvent => ({
  kind: "transfer",
  progress: {
    unpacked: unpackedBytes === undefined ? undefined : { doneBytes: unpackedBytes, totalBytes: 2_000_000 },
    doneBytes,
    totalBytes: 1_000_000,
    downRate: 12_400_000,
    upRate: 0,
    peers: 3,
    seeds: 2,
    connections: 7,
    etaSeconds: 4320,
  },
});

const work = (doneBytes: number): RunEvent => (
  { kind: "work", label: "Extracting", doneBytes, totalBytes: 1_000_000 }
);

Deno.test("report() writes notes in upstream's form, those below the level left out", () => {
  const { view, lines } = watching();
  view.report(note("debug", "unseen"));
  view.report(note("info", "Discovered {x} 50%"));
  view.report(note("warning", "careful"));
  assert.deepEqual(lines(), [
    "2026-08-13T04:05:06 [mirror.discovery] INFO: Discovered {x} 50%",
    "2026-08-13T04:05:06 [mirror.discovery] WARNING: careful",
  ]);
});

Deno.test("report() lets no stranger's text steer the terminal or forge a line", () => {
  const { view, seen, lines } = watching();
  view.report(note("info", "client \x1b[2Jevil\r\n2026-01-01T00:00:00 [x] INFO: forged"));
  assert.equal(lines().length, 1);
  assert.ok(!seen.text.includes("\x1b"));
  assert.ok(!seen.text.includes("\r"));
});

Deno.test("report() colours levels only where colour is allowed", () => {
  const colourless = watching();
  colourless.view.report(note("error", "no"));
  assert.ok(!colourless.seen.text.includes("\x1b"));
  const coloured = watching({ color: true });
  coloured.view.report(note("info", "calm"));
  assert.match(coloured.plain(), /\] INFO: calm\n$/);
  coloured.view.report(note("error", "no"));
  assert.match(coloured.plain(), /\] ESC\[31mERRORESC\[0m: no\n$/);
});

Deno.test("report() writes one JSON object a line with --log-format json, and no bar among them", () => {
  const { view, lines } = watching({ format: "json", bar: true });
  view.report(note("warning", 'quote " and \n newline'));
  view.report(transfer(1));
  const [first, second] = lines().map((line) => JSON.parse(line));
  assert.deepEqual(first, {
    time: new Date(2026, 7, 13, 4, 5, 6).toISOString(),
    level: "warning",
    logger: "mirror.discovery",
    message: 'quote " and \n newline',
  });
  assert.match(second.message, /^Download: 0\.0%/);
});

Deno.test("report() tells each change of phase in upstream's words", () => {
  const { view, lines } = watching();
  view.report({ kind: "phase", phase: "downloading", previous: "discovering" });
  view.report(transfer(250_000));
  assert.match(lines()[0]!, /\[mirror\.watcher\] INFO: State transition: discovering → downloading$/);
  assert.match(
    lines()[1]!,
    /\[mirror\.session\] INFO: Download: 25\.0% \| State: downloading \| DL: 12\.4 MB\/s \| UL: 0 B\/s \| Peers: 5 \(Seeds: 2\) \| Connections: 7 \| ETA: 1 h 12 min$/,
  );
});

Deno.test("a bar in a narrow terminal leaves out whole words, the last first", () => {
  const shown = (columns: number) => {
    const terminal = watching({ bar: true, columns: () => columns });
    terminal.view.report(transfer(250_000, 300_000));
    return terminal.plain().replace(/^\r/, "").replace(/ESC\[K$/, "").trimEnd();
  };
  const full = "0.3 of 1.0 MB  12.4 MB/s  1 h 12 min left  unpacked 15.0%  Peers: 5 (Seeds: 2)";
  for (const columns of [200, 110, 100, 90, 80, 70, 60, 50, 45, 40]) {
    const line = shown(columns);
    assert.ok(line.length < columns, `${line.length} of ${columns}`);
    const words = line.slice(line.indexOf("%") + 3);
    assert.ok(["", full].includes(words) || full.startsWith(`${words}  `), line);
  }
  assert.match(shown(80), /1 h 12 min left/);
  assert.match(shown(50), /0\.3 of 1\.0 MB$/);
});

Deno.test("report() says beside a download how much of it is unpacked", () => {
  const { view, lines } = watching();
  view.report(transfer(250_000, 300_000));
  assert.match(lines()[0]!, / \| ETA: 1 h 12 min \| Unpacked: 15\.0%$/);
  const terminal = watching({ bar: true });
  terminal.view.report(transfer(250_000, 300_000));
  assert.match(terminal.plain(), / {2}1 h 12 min left {2}unpacked 15\.0% {2}Peers: 5 \(Seeds: 2\)ESC\[K$/);
});

Deno.test("report() writes a progress line first, at each 2 % but not faster than 5 s, each minute, and at the end", () => {
  const { view, seen, lines } = watching();
  const at = (seconds: number, doneBytes: number) => {
    const before = lines().length;
    seen.nowMs = seconds * 1000;
    view.report(transfer(doneBytes));
    return lines().length - before;
  };
  assert.equal(at(0, 0), 1, "first");
  assert.equal(at(1, 500_000), 0, "far, but at once");
  assert.equal(at(5, 510_000), 1, "2 % and 5 s later");
  assert.equal(at(30, 529_000), 0, "less than 2 %");
  assert.equal(at(65, 529_000), 1, "a minute");
  assert.equal(at(66, 1_000_000), 1, "the end");
  assert.equal(at(67, 1_000_000), 0, "the end again");
});

Deno.test("report() paces kinds of work apart from one another", () => {
  const { view, lines } = watching();
  view.report(transfer(0));
  view.report(work(0));
  assert.match(lines()[1]!, /Extracting: 0\.0% \| 0\.0 of 1\.0 MB$/);
});

Deno.test("report() draws a bar in place, at most ten times a second, log lines above it", () => {
  const { view, seen, plain } = watching({ bar: true });
  view.report(transfer(500_000));
  assert.equal(
    seen.text,
    "\rDownload [############------------]  50.0%  0.5 of 1.0 MB  12.4 MB/s  1 h 12 min left  Peers: 5 (Seeds: 2)\x1b[K",
  );
  seen.text = "";
  seen.nowMs = 99;
  view.report(transfer(510_000));
  assert.equal(seen.text, "");
  view.report(note("info", "hello"));
  assert.match(plain(), /^\rESC\[K2026.* INFO: hello\nDownload \[#+-+\] {2}50\.0%/);
  seen.text = "";
  view.report(transfer(1_000_000));
  assert.match(seen.text, /100\.0%/);
  seen.text = "";
  view.end();
  assert.equal(seen.text, "\r\x1b[K");
  view.end();
  seen.text = "";
  view.report(note("info", "after"));
  assert.match(plain(), /^2026[^\r]*after\n$/);
});

Deno.test("report() gives up cells before words in a narrow terminal", () => {
  const { view, plain } = watching({ bar: true, columns: () => 92 });
  view.report(transfer(500_000));
  const line = plain().replaceAll(/\r|ESC\[K/g, "");
  assert.match(line, /^Download \[#+-+\] {2}50\.0%.* 1 h 12 min left {2}Peers: 5 \(Seeds: 2\)$/);
  assert.equal(line.length, 91);
});

Deno.test("report() cuts the bar to the terminal's width", () => {
  const { view, plain } = watching({ bar: true, columns: () => 40 });
  view.report(work(1));
  assert.equal(plain().replaceAll(/\r|ESC\[K/g, "").length, 39);
});

Deno.test("report() names work and phases by the view's logger, where they have none of their own", () => {
  const { view, lines } = watching({ logger: "verify" });
  view.report(work(1_000_000));
  view.report({ kind: "phase", phase: "seeding", previous: "starting" });
  view.report({ kind: "phase", phase: "seeding", previous: "starting", logger: "producer.seeder" });
  const names = lines().map((line) => /\[(.*?)\]/.exec(line)?.[1]);
  assert.deepEqual(names, ["verify", "verify", "producer.seeder"]);
});
