#!/usr/bin/env bash
# Signs a release's SHA256SUMS with the project's release key, and checks the signature as everybody will:
#
#   RELEASE_SIGNING_KEY="$(cat key.pem)" deploy/release/sign.sh dist/SHA256SUMS [PUBKEY_FILE]     writes dist/SHA256SUMS.sig
#   deploy/release/sign.sh --check [PUBKEY_FILE]                                 only says whether there is a key to sign by
#
# PUBKEY_FILE is deploy/RELEASE_PUBKEY unless another is named. Needs OpenSSL 3.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
readonly sums=$1 pubkey_file=${2:-$root/deploy/RELEASE_PUBKEY}

fail() {
  echo "sign: $*" >&2
  exit 1
}

public=$(grep -v '^#' "$pubkey_file" | tr -d '[:space:]')
[ "$public" != none ] || fail "$pubkey_file says none: make a release key first, docs/releasing.md says how"
if [ "$sums" = --check ]; then exit 0; fi
[ -n "${RELEASE_SIGNING_KEY:-}" ] || fail "RELEASE_SIGNING_KEY is not set"

umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' "$RELEASE_SIGNING_KEY" >"$work/key.pem"
printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$public" >"$work/public.pem"

openssl pkey -in "$work/key.pem" -pubout -out "$work/own.pem" 2>/dev/null || fail "RELEASE_SIGNING_KEY is no private key"
[ "$(grep -v '^-' "$work/own.pem" | tr -d '[:space:]')" = "$public" ] ||
  fail "RELEASE_SIGNING_KEY is not the other half of $pubkey_file"
openssl pkeyutl -sign -rawin -inkey "$work/key.pem" -in "$sums" -out "$work/sig"
openssl pkeyutl -verify -rawin -pubin -inkey "$work/public.pem" -in "$sums" -sigfile "$work/sig" >&2
umask 022
cat "$work/sig" >"$sums.sig"
