// A certificate for localhost, made by openssl for one test.

import { join } from "node:path";

export interface Certificate {
  /** Path of the PEM file that a client is to trust. */
  readonly path: string;
  /** For Deno.serve. */
  readonly cert: string;
  readonly key: string;
}

/** For `ignore`: whether there is an openssl that can make one. */
export function canMakeCertificates(): boolean {
  try {
    const { stdout } = new Deno.Command("openssl", { args: ["version"], stderr: "null" }).outputSync();
    return /^OpenSSL [3-9]/.test(new TextDecoder().decode(stdout));
  } catch {
    return false;
  }
}

/** @param folder Takes its two files. */
export function makeCertificate(folder: string): Certificate {
  const [path, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyPath];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const args = ["req", "-x509", ...key, "-out", path, "-days", "2", ...names];
  const { success, stderr } = new Deno.Command("openssl", {
    args: [...args, "-addext", "basicConstraints=critical,CA:FALSE"],
  }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return { path, cert: Deno.readTextFileSync(path), key: Deno.readTextFileSync(keyPath) };
}
