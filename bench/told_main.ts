// nano-snap that is told how many cores it has: told_main.ts WORD… with BENCH_CORES in the environment, or without it as
// main.ts is. For "one-core", which compares what the program does on one core with what it would do on two.

const told = Deno.env.get("BENCH_CORES");
if (told !== undefined) {
  Object.defineProperty(navigator, "hardwareConcurrency", { value: Number(told) });
}
await import("../main.ts");
