// What page_code.ts may say, so far as it is not TypeScript: AssemblyScript's numbers, and the instructions of
// WebAssembly that have names there. To the type checker all numbers are alike; the other compiler tells them apart.

type i32 = number;
type u16 = number;
type u32 = number;
type u8 = number;
type u64 = number;
type f64 = number;
/** An address in the memory. */
type usize = number;

declare function load<T>(address: usize): T;
declare function store<T>(address: usize, value: T): void;
/** The bytes of a number in the other order. */
declare function bswap<T>(value: T): T;
declare function min<T>(a: T, b: T): T;
