import assert from "node:assert/strict";
import type { Contact } from "../../lib/dht/contact.ts";
import { Walk } from "../../lib/dht/walk.ts";

/** A node at that distance from the target, which is all zeros. */
function at(distance: number, host = "10.0.0.1"): Contact {
  const id = new Uint8Array(20);
  id[18] = distance >> 8;
  id[19] = distance & 0xff;
  return { id, host, port: 1000 + distance };
}

function walk(...contacts: Contact[]): Walk {
  const fresh = new Walk({ target: new Uint8Array(20), ownId: at(9999).id });
  fresh.add(contacts);
  return fresh;
}

function askAll(of: Walk): number[] {
  const asked: number[] = [];
  for (let next = of.next(); next !== undefined; next = of.next()) asked.push(next.port - 1000);
  return asked;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => at(from + i));

Deno.test("next() gives the nearest sixteen, nearest first, each once", () => {
  const some = walk(...range(10, 40).reverse());
  assert.deepEqual(askAll(some), range(10, 26).map(({ port }) => port - 1000));
  some.add(range(10, 40));
  assert.equal(some.next(), undefined);
});

Deno.test("next() turns to a nearer node as soon as one is named", () => {
  const some = walk(...range(10, 40));
  askAll(some);
  some.answered(at(12), at(12).id);
  some.add([at(3)]);
  assert.deepEqual(askAll(some), [3]);
});

Deno.test("settled needs the eight nearest to have answered, dead ones forgotten", () => {
  const some = walk(...range(1, 13));
  askAll(some);
  for (const node of range(5, 13)) some.answered(node, node.id);
  assert.equal(some.settled, false); // 1 to 4 are still to answer
  for (const node of range(1, 5)) some.failed(node);
  assert.equal(some.settled, true);
});

Deno.test("settled is false while nobody has answered", () => {
  const some = walk(at(1));
  askAll(some);
  some.failed(at(1));
  assert.equal(some.settled, false);
  assert.equal(walk().settled, false);
});

Deno.test("settled with fewer than eight nodes is when all that live have answered", () => {
  const some = walk(at(1), at(2), at(3));
  askAll(some);
  some.answered(at(1), at(1).id);
  some.answered(at(2), at(2).id);
  assert.equal(some.settled, false);
  some.failed(at(3));
  assert.equal(some.settled, true);
});

Deno.test("answered() takes a node under the id that it gives, and drops invented ones at its address", () => {
  const invented = { ...at(1), host: "10.0.0.9", port: 7 };
  const honest = { ...at(50), host: "10.0.0.9", port: 7 };
  const some = walk(invented);
  assert.deepEqual(some.next(), invented);
  some.answered(honest, honest.id);
  assert.deepEqual(some.nearestAnswered(8).map(({ id }) => id), [honest.id]);
  some.add([{ ...invented, id: at(2).id }]);
  assert.equal(some.next(), undefined);
});

Deno.test("Walk asks no more than two nodes of one public address at a time", () => {
  const liars = Array.from({ length: 20 }, (_, i) => ({ ...at(i + 1), host: "8.8.8.8" }));
  const some = walk(...liars, at(100, "9.9.9.9"));
  assert.deepEqual(askAll(some), [1, 2, 100]);
  some.failed(liars[0]!);
  assert.deepEqual(askAll(some), [3]);
});

Deno.test("Walk ends although liars name ever nearer nodes", () => {
  const some = walk(at(60_000));
  let asked = 0;
  for (let next = some.next(); next !== undefined; next = some.next()) {
    asked++;
    some.failed(next);
    some.add(range(60_000 - 20 * asked, 60_000 - 20 * asked + 19));
  }
  assert.ok(asked > 50 && asked <= 200, `${asked}`);
});

Deno.test("Walk leaves out ourselves", () => {
  const some = walk(at(9999));
  assert.equal(some.next(), undefined);
});

Deno.test("nearestAnswered() gives tokens with the nodes", () => {
  const some = walk(at(2), at(1));
  askAll(some);
  some.answered(at(2), at(2).id, Uint8Array.of(2));
  some.answered(at(1), at(1).id);
  assert.deepEqual(some.nearestAnswered(8).map(({ port, token }) => [port, token?.[0]]), [[1001, undefined], [
    1002,
    2,
  ]]);
});
