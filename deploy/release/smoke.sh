#!/usr/bin/env bash
# Runs a release's program on the system that it is for:
#
#   deploy/release/smoke.sh linux-x64 0.1.0 [dist]
#
# It must say what it is, hash, pack and unpack by its Workers and its WebAssembly, and be what SHA256SUMS says. Where install.sh
# knows the system, it is installed from the folder as users install it. Bash comes with every runner of ours.
set -euo pipefail

readonly system=$1 version=$2
dist=$(cd "${3:-dist}" && pwd)
readonly dist
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
ending=
case $system in windows-*) ending=.exe ;; esac
readonly asset=nano-snap-$system$ending
# Finds nobody and asks nobody: what it gets is there already.
readonly lonely=(--no-dht --no-trackers --no-lsd --no-port-mapping --bind 127.0.0.1 --port 0 --stall-timeout 60s)

fail() {
  echo "smoke: $asset: $*" >&2
  exit 1
}

sum() {
  if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -c 1-64
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for file in "$asset" "$asset.gz"; do
  grep -q "^$(sum "$dist/$file")  $file\$" "$dist/SHA256SUMS" || fail "SHA256SUMS does not say $(sum "$dist/$file")"
done
gzip -dc "$dist/$asset.gz" | cmp - "$dist/$asset" || fail "packed it is another"

case $system in
  windows-*) program=$dist/$asset ;;
  *)
    NANO_SNAP_INSTALL_DIR=$work/bin NANO_SNAP_BASE_URL=file://$dist sh "$root/install.sh" || fail "install.sh"
    program=$work/bin/nano-snap
    ;;
esac

facts=$("$program" version --json) || fail "version ends with $?"
echo "$facts"
case $facts in *"\"version\":\"$version\""*) ;; *) fail "is not version $version" ;; esac

cd "$work"
"$program" get --help >/dev/null || fail "get --help ends with $?"
# Without PATH it finds no 7-Zip beside its own.
PATH='' "$program" produce fixture --size 2M --format 7z --out fixture.7z || fail "produce fixture ends with $?"
"$program" produce torrent fixture.7z | grep -q '^info_hash=[0-9a-f]\{64\}' || fail "produce torrent made no torrent"
mkdir nano-data
mv fixture.7z nano-data/
"$program" get --extract --torrent fixture.7z.torrent "${lonely[@]}" || fail "get --extract ends with $?"
[ -s nano-data/data.ldb ] || fail "get --extract left no ledger"
echo "smoke: $asset works"
