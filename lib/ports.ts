// What the program needs of the machine, as interfaces. lib/io implements them; tests may implement them in five
// lines. Failures come as SnapErrors (PathUnusable, NotEnoughSpace, PortTaken, OperationFailed), never as the
// runtime's own.

/** An IP address in text form and a port, 1 to 65535. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Time. Cores never read it; they are told. */
export interface Clock {
  /** Milliseconds that only grow, from an arbitrary start: for deadlines and rates. */
  nowMs(): number;
  /** Milliseconds since 1970: for files and people. */
  unixMs(): number;
  /** Resolves after `ms`, or as soon as the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Chance. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
}

/** One TCP connection. Reads and writes go into and out of the caller's buffers: no copy is kept. */
export interface TcpConn {
  readonly remote: Endpoint;
  /** Reads what has come, at most `into.length` bytes; null at the end. Rejects when the connection breaks. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes everything. The caller must not touch the bytes until it resolves. */
  writeAll(bytes: Uint8Array): Promise<void>;
  /** Closes both directions; safe twice. Pending reads end. */
  close(): void;
}

/** A bound TCP port. */
export interface TcpListener {
  readonly local: Endpoint;
  /** The next connection; null once closed. */
  accept(): Promise<TcpConn | null>;
  close(): void;
}

/** A bound UDP socket. */
export interface UdpSocket {
  readonly local: Endpoint;
  /** Called once per datagram. The bytes are the receiver's to keep. One receiver at a time. */
  onDatagram(receive: (bytes: Uint8Array, from: Endpoint) => void): void;
  /** Fire and forget, as UDP is: what cannot be sent is lost. */
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): Promise<void>;
}

/** Sockets and names. */
export interface Net {
  /** Port 0 takes a free one. @throws {PortTaken} */
  listenTcp(at: Endpoint): TcpListener;
  /** Rejects after `timeoutMs` or when the signal aborts. */
  dialTcp(to: Endpoint, options: { timeoutMs: number; signal: AbortSignal }): Promise<TcpConn>;
  /** Port 0 takes a free one. @throws {PortTaken} */
  openUdp(at: Endpoint): Promise<UdpSocket>;
  /** A name's addresses, IPv4 first; an address stands for itself. Empty when it cannot be resolved. */
  resolve(host: string): Promise<string[]>;
}

/** What an HTTP server answered. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Fetching over HTTP. */
export interface HttpClient {
  /**
   * Gets one document over HTTP or HTTPS, following a few redirects. No cookies are kept or sent.
   *
   * @param options.timeoutMs Until the last byte is here.
   * @param options.maxBytes Of the body, unpacked; a longer one is an error and is not read to its end.
   * @returns Whatever the status.
   * @throws {OperationFailed} The message names the host only: paths and queries may hold secrets.
   */
  get(
    url: string,
    options: {
      readonly timeoutMs: number;
      readonly maxBytes: number;
      readonly signal: AbortSignal;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<HttpResponse>;
}

/** What identifies a file and tells whether somebody else touched it. */
export interface FileFacts {
  readonly kind: "file" | "directory" | "other";
  readonly size: number;
  /** Bytes that the file really takes on disk (a sparse file takes fewer than its size). */
  readonly allocated: number;
  readonly mtimeMs: number;
  readonly device: number;
  readonly inode: number;
  /** Who may do what, as chmod writes it (0o600); undefined where the system has no such bits. */
  readonly mode?: number | undefined;
}

/** An open file, read and written at positions, without promises: the page cache is faster than an event loop. */
export interface OpenFile {
  readonly path: string;
  /** Reads up to `into.length` bytes at a position; fewer only at the end of the file. */
  readAt(into: Uint8Array, at: number): number;
  /** Writes all bytes at a position; a hole before it stays a hole. @throws {NotEnoughSpace} */
  writeAt(bytes: Uint8Array, at: number): void;
  truncate(size: number): void;
  facts(): FileFacts;
  /** Resolves once the data is on stable storage; does not stop the event loop. */
  sync(): Promise<void>;
  close(): void;
}

/** Held until it is released or the process ends. */
export interface FileLock {
  release(): void;
}

/** The file system. */
export interface Files {
  /** "read" and "write" want the file to exist; "create" makes it (mode 0644) or keeps what is there. */
  open(path: string, how: "read" | "write" | "create"): OpenFile;
  /** undefined when nothing is there; links are followed. */
  stat(path: string): FileFacts | undefined;
  /** undefined when nothing is there. @throws {PathUnusable} Also when it is longer than `maxBytes`. */
  read(path: string, maxBytes: number): Uint8Array | undefined;
  /** Temp file beside it, fsync, rename, fsync of the folder: old or new, never torn. */
  writeAtomic(path: string, bytes: Uint8Array, mode?: number): void;
  /** Makes a file that was not there, fsynced. @throws {PathUnusable} Also when anything has that name, a link too. */
  writeNew(path: string, bytes: Uint8Array, mode?: number): void;
  /** The path without links; undefined when nothing is there. */
  realPath(path: string): string | undefined;
  /** Renames, then fsyncs the target's folder. */
  rename(from: string, to: string): void;
  /** Removes a file; nothing there is fine. */
  remove(path: string): void;
  /** Removes a folder and all in it; nothing there is fine. */
  removeAll(path: string): void;
  /** Makes a folder and its parents (mode 0755); there already is fine. */
  makeDir(path: string): void;
  /** Names in a folder, sorted; empty when there is none. */
  list(path: string): string[];
  /** Bytes an ordinary user may still write on that path's filesystem. */
  freeBytes(path: string): number;
  /** An exclusive lock that dies with the process; undefined when another process has it. The file holds `note`. */
  lock(path: string, note: string): FileLock | undefined;
  /** Changes with each boot; undefined where the system has none. */
  bootId(): string | undefined;
}
