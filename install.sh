#!/bin/sh
# Installs nano-snap, or removes it:
#
#   curl -fsSL https://github.com/OpenRai/nano-snapshot-swarm/releases/latest/download/install.sh | sh
#   sh install.sh [VERSION]      this version instead of the newest
#   sh install.sh --uninstall
#
# One file is written: nano-snap, into NANO_SNAP_INSTALL_DIR, else ~/.local/bin, else (as root) /usr/local/bin. It gets
# its name only after its SHA-256 was compared with the release's SHA256SUMS and after it ran here. Nothing is asked.
# SHA256SUMS itself must be signed by the project's release key, where that is known below and openssl 3 is here.
#
# NANO_SNAP_VERSION       the same as VERSION
# NANO_SNAP_INSTALL_DIR   the folder to install into
# NANO_SNAP_BASE_URL      where the files come from instead of GitHub: a folder with the files of one release, or the
#                         root of a mirror with GitHub's paths. https only, except http from this machine and file:///
#
# Exit codes are nano-snap's own: 1 failure, 2 usage, 4 wrong checksum or signature, 5 not enough space,
# 6 path, 8 network.
#
# Everything is in functions, and main is called last and in braces, so that half a script does nothing.

readonly HOME_PAGE=https://github.com/OpenRai/nano-snapshot-swarm
# The newest GLIBC_ symbol that Deno 2.9.6 asks for.
readonly MIN_GLIBC=2.27

# How long "nano-snap version" may take; it takes a tenth of a second, the first time on a slow disk some seconds.
readonly PATIENCE_SECONDS=30

# The line of deploy/RELEASE_PUBKEY: an Ed25519 public key in base64, or none as long as the project has none.
readonly RELEASE_PUBKEY=none

main() {
  set -eu
  umask 022
  version=${NANO_SNAP_VERSION-}
  action=put_in
  while [ $# -gt 0 ]; do
    case $1 in
      --uninstall) action=take_out ;;
      -h | --help) action=usage ;;
      -*) die 2 "unknown option $1; there are VERSION and --uninstall" ;;
      *) version=$1 ;;
    esac
    shift
  done
  "$action"
}

usage() {
  cat <<'TEXT'
Usage: install.sh [VERSION]      install nano-snap, the newest version or this one
       install.sh --uninstall    remove it
Variables: NANO_SNAP_VERSION, NANO_SNAP_INSTALL_DIR, NANO_SNAP_BASE_URL
TEXT
}

put_in() {
  choose_version
  choose_base
  choose_tools
  choose_asset
  choose_folder
  make_work_folder
  fetch_sums
  if is_current; then
    try_program "$target"
    say "$target is already current: nano-snap $found."
  else
    look_at_installed
    keep_newer "$(version_of_sums)"
    fetch_program
    chmod 755 "$work/nano-snap"
    try_program "$work/nano-snap"
    keep_newer "$found"
    mv -f "$work/nano-snap" "$target" || die 6 "cannot put nano-snap into $folder"
    say "Installed nano-snap $found as $target."
  fi
  say_next
}

take_out() {
  choose_folder
  if [ -e "$target" ] || [ -L "$target" ]; then
    rm -f "$target" || die 6 "cannot remove $target"
    say "Removed $target. Data directories (nano-data and others) are untouched."
  else
    say "Nothing to remove: there is no $target."
  fi
}

# What is to be installed, and from where.

choose_version() {
  version=${version#v}
  if [ "$version" = latest ]; then version=; fi
  case $version in
    *[!0-9A-Za-z.+-]*) die 2 "not a version: $version" ;;
    [!0-9]*) die 2 "not a version: $version" ;;
  esac
}

choose_base() {
  base=${NANO_SNAP_BASE_URL-}
  base=${base%/}
  case $base in
    '') scheme=https ;;
    # What may be a password is not repeated.
    *@*) die 2 "not a plain URL in NANO_SNAP_BASE_URL: it has an @" ;;
    *[[:space:]]* | *\?* | *\#*) die 2 "not a plain URL in NANO_SNAP_BASE_URL: $base" ;;
    https://?*) scheme=https ;;
    http://127.0.0.1[:/]* | http://127.0.0.1 | http://localhost[:/]* | http://localhost) scheme=http ;;
    file:///?*) scheme='file' ;;
    *) die 2 "NANO_SNAP_BASE_URL must be https://... (or http://127.0.0.1 or file:///...), not $base" ;;
  esac
}

choose_tools() {
  fetcher=curl
  if [ "$scheme" != 'file' ] && ! has curl; then
    fetcher=wget
    if ! has wget; then die 1 "neither curl nor wget is here: install one of them"; fi
    # Other wgets (busybox's) do not check certificates.
    case $scheme/$(wget --version 2>/dev/null) in
      http/* | *'GNU Wget'*) ;;
      *) die 1 "this wget cannot be trusted with https: install curl or GNU wget" ;;
    esac
  fi
  if ! has sha256sum && ! has shasum && ! has openssl; then
    die 1 "no program here computes SHA-256: install sha256sum, shasum or openssl"
  fi
}

choose_asset() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    MINGW* | MSYS* | CYGWIN* | Windows*)
      die 1 "on Windows, download nano-snap-windows-x64.exe from $HOME_PAGE/releases" ;;
    *) no_binary "$(uname -s)" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) no_binary "$(uname -s) on $(uname -m)" ;;
  esac
  case $os in
    # A shell under Rosetta says x86_64 on a machine that can do better.
    darwin) if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then arch=arm64; fi ;;
    linux) check_libc ;;
  esac
  asset=nano-snap-$os-$arch
}

check_libc() {
  if [ "$(getconf LONG_BIT 2>/dev/null)" = 32 ]; then no_binary "a 32-bit Linux"; fi
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=$(ldd --version 2>&1) || true
  case $libc in
    *musl*)
      die 1 "this system has musl, the binary needs glibc $MIN_GLIBC or newer: use a container of Debian, Ubuntu or" \
        "Fedora, or run it from source with your system's Deno: $HOME_PAGE" ;;
    'glibc '*) glibc=${libc#glibc } ;;
    # The first line ends with the number: "ldd (Debian GLIBC 2.36-9) 2.36".
    *) glibc=$(printf '%s\n' "$libc" | sed -n '1s/.* \([0-9][0-9]*\.[0-9][0-9]*\).*$/\1/p') ;;
  esac
  # Where nobody says, the program's own first run will.
  case $glibc in [0-9]*.[0-9]*) ;; *) return 0 ;; esac
  minor=${glibc#*.}
  minor=${minor%%[!0-9]*}
  if [ "${glibc%%.*}" -lt "${MIN_GLIBC%.*}" ] ||
    { [ "${glibc%%.*}" -eq "${MIN_GLIBC%.*}" ] && [ "$minor" -lt "${MIN_GLIBC#*.}" ]; }; then
    die 1 "this system has glibc $glibc, the binary needs $MIN_GLIBC or newer: use a newer system or a container of one"
  fi
}

no_binary() {
  die 1 "there is no nano-snap binary for $1; from source it may run: $HOME_PAGE"
}

# Where it goes.

choose_folder() {
  folder=${NANO_SNAP_INSTALL_DIR-}
  if [ -z "$folder" ]; then
    if [ "$(id -u)" = 0 ]; then
      folder=/usr/local/bin
    else
      if [ -z "${HOME-}" ]; then die 2 "HOME is not set: $OTHER_FOLDER"; fi
      folder=$HOME/.local/bin
    fi
  fi
  case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
  folder=${folder%/}
  target=$folder/nano-snap
}

# Beside the target, so that the last step is a rename; and whatever is wrong with the folder shows before a download.
make_work_folder() {
  mkdir -p "$folder" 2>/dev/null || die 6 "cannot make the folder $folder: $OTHER_FOLDER"
  if [ -d "$target" ]; then die 6 "cannot install: $target is a folder"; fi
  work=$(mktemp -d "$folder/.nano-snap.XXXXXX" 2>/dev/null) || die 6 "cannot write to $folder: $OTHER_FOLDER"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if ! printf '#!/bin/sh\nexit 0\n' 2>/dev/null >"$work/probe"; then
    check_room
    die 6 "cannot write to $folder: $OTHER_FOLDER"
  fi
  chmod 755 "$work/probe"
  "$work/probe" 2>/dev/null || die 6 "programs cannot run from $folder (mounted noexec?): $OTHER_FOLDER"
}

# After a failure: where not even a little more can be written, that is why, whatever the tool said of it.
check_room() {
  if has dd && [ -r /dev/zero ] && ! dd if=/dev/zero of="$work/room" bs=1024 count=64 2>/dev/null; then
    die 5 "not enough space in $folder: make some, or $OTHER_FOLDER"
  fi
}

readonly OTHER_FOLDER='choose another by NANO_SNAP_INSTALL_DIR=/some/folder'

# What is fetched, and checked.

fetch_sums() {
  # GitHub's two paths; a base of the user's own may also be just the folder that holds the files.
  root=${base:-$HOME_PAGE/releases}
  if [ -n "$version" ]; then release=$root/download/v$version; else release=$root/latest/download; fi
  if [ -n "$base" ] && fetch "$base/SHA256SUMS" "$work/SHA256SUMS"; then
    release=$base
  elif ! fetch "$release/SHA256SUMS" "$work/SHA256SUMS"; then
    check_room
    die 8 "cannot fetch $release/SHA256SUMS: $(reason) (is there such a release?)"
  fi
  check_signature
  plain_sum=$(sum_of "$asset")
  packed_sum=$(sum_of "$asset.gz")
  if [ -z "$plain_sum$packed_sum" ]; then
    die 4 "SHA256SUMS of $release has no line for $asset: nothing to check it by"
  fi
}

check_signature() {
  if [ "$RELEASE_PUBKEY" = none ]; then
    say "Note: no signature is checked, the project has no release key yet."
    return
  fi
  case $(openssl version 2>/dev/null) in
    'OpenSSL '[3-9].* | 'OpenSSL '[1-9][0-9]*) ;;
    *)
      say "Note: no signature is checked, that needs openssl 3."
      return
      ;;
  esac
  fetch "$release/SHA256SUMS.sig" "$work/SHA256SUMS.sig" ||
    die 8 "cannot fetch $release/SHA256SUMS.sig: $(reason): nothing was installed"
  printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$RELEASE_PUBKEY" >"$work/key.pem"
  openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/SHA256SUMS" \
    -sigfile "$work/SHA256SUMS.sig" >/dev/null 2>&1 ||
    die 4 "$release/SHA256SUMS is not signed by the release key: nothing was installed"
}

is_current() {
  [ -n "$plain_sum" ] && [ -f "$target" ] && [ -x "$target" ] && [ "$(sha256 "$target")" = "$plain_sum" ]
}

# The version of what is there already, in $installed; empty where nothing is, or nothing that runs and says one.
look_at_installed() {
  installed=
  if [ -f "$target" ] && [ -x "$target" ]; then
    if run_in_time "$target"; then
      installed=$(cat "$work/said")
    elif [ -e "$work/late" ]; then
      say "Note: $target does not say its version in $PATIENCE_SECONDS seconds."
    fi
    case $installed in 'nano-snap '[0-9]*) ;; *) installed= ;; esac
    installed=${installed#nano-snap }
    installed=${installed%%[!0-9A-Za-z.+-]*}
  fi
}

# keep_newer VERSION: ends here when that is older than what is there and nobody asked for it: a mirror that gives an old
# release as the newest, signed as it is, must not bring back what was mended since.
keep_newer() {
  if [ -z "$version" ] && [ -n "$1" ] && [ -n "$installed" ] && is_older "$1" "$installed"; then
    say "$target is nano-snap $installed, and the newest of $release is $1, an older one: nothing was done." \
      "To have it all the same: NANO_SNAP_VERSION=$1"
    say_next
    exit 0
  fi
}

# What the first line of SHA256SUMS says, "# nano-snap 1.2.3"; nothing when there is none.
version_of_sums() {
  sed -n "s/^# nano-snap \([0-9][0-9A-Za-z.+-]*\)$RETURN*\$/\1/p" "$work/SHA256SUMS" | sed -n 1p
}

# Whether the first version is older than the second (semver.org, 11), as lib/release/versions.ts has it: a pre-release
# comes before its release, and what follows a "+" says nothing.
is_older() {
  first=${1%%+*} second=${2%%+*}
  compare_words "${first%%-*}" "${second%%-*}"
  if [ "$order" = same ]; then
    case $first in *-*) first=${first#*-} ;; *) first= ;; esac
    case $second in *-*) second=${second#*-} ;; *) second= ;; esac
    if [ -n "$first" ] && [ -n "$second" ]; then
      compare_words "$first" "$second"
    elif [ -n "$first" ]; then
      order=before
    fi
  fi
  [ "$order" = before ]
}

# Two lists with dots between, in $order: before, same or after. Numbers come before words, the shorter list first.
compare_words() {
  left=$1. right=$2. order=same
  while [ "$order" = same ] && [ -n "$left" ] && [ -n "$right" ]; do
    a=${left%%.*} b=${right%%.*}
    left=${left#*.} right=${right#*.}
    if [ "$a" = "$b" ]; then continue; fi
    case $a in '' | *[!0-9]*) a=w$a ;; *) a=$(sortable "$a") ;; esac
    case $b in '' | *[!0-9]*) b=w$b ;; *) b=$(sortable "$b") ;; esac
    if [ "$a" = "$b" ]; then continue; fi
    if LC_ALL=C expr "$a" \< "$b" >/dev/null; then order=before; else order=after; fi
  done
  case $order/$left/$right in
    same//?*) order=before ;;
    same/?*/) order=after ;;
  esac
}

# A number as a word that sorts as it counts, of any length: its digits' count, in letters, comes first.
sortable() {
  digits=$1
  while :; do
    case $digits in 0?*) digits=${digits#0} ;; *) break ;; esac
  done
  printf 'n%03d.%s' "${#digits}" "$digits"
}

fetch_program() {
  if [ -n "$packed_sum" ] && has gzip; then file=$asset.gz sum=$packed_sum; else file=$asset sum=$plain_sum; fi
  if [ -z "$sum" ]; then die 1 "gzip is missing here, and $release has $asset only as .gz"; fi
  say "Downloading $release/$file"
  if ! fetch "$release/$file" "$work/$file"; then
    check_room
    die 8 "cannot fetch $release/$file: $(reason)"
  fi
  must_be "$work/$file" "$sum" "$file"
  case $file in
    *.gz)
      if ! gzip -dc "$work/$file" 2>"$work/why" >"$work/nano-snap"; then
        check_room
        die 4 "cannot unpack $file: $(reason)"
      fi
      if [ -n "$plain_sum" ]; then must_be "$work/nano-snap" "$plain_sum" "the program in $file"; fi
      ;;
    *) mv "$work/$file" "$work/nano-snap" ;;
  esac
}

# The sum that SHA256SUMS gives a file; nothing when it has none.
sum_of() {
  while read -r sum name || [ -n "$sum" ]; do
    name=${name#\*}
    if [ "${name%"$RETURN"}" != "$1" ]; then continue; fi
    case $sum in
      *[!0-9a-f]*) ;;
      *) if [ ${#sum} -eq 64 ]; then printf '%s' "$sum" && return; fi ;;
    esac
  done <"$work/SHA256SUMS"
}

# Files made on Windows end their lines with one.
RETURN=$(printf '\r')
readonly RETURN

must_be() {
  is=$(sha256 "$1")
  if [ "$is" != "$2" ]; then
    die 4 "$3 has the SHA-256 $is, SHA256SUMS says $2: nothing was installed"
  fi
}

sha256() {
  if has sha256sum; then
    line=$(sha256sum <"$1")
  elif has shasum; then
    line=$(shasum -a 256 <"$1")
  else
    line=$(openssl dgst -sha256 -r <"$1")
  fi
  printf '%s' "${line%% *}"
}

# Runs it once: a wrong processor, a missing library or the wrong version shows now.
try_program() {
  if run_in_time "$1"; then ended=0; else ended=$?; fi
  facts=$(cat "$work/said" "$work/complained")
  if [ "$ended" != 0 ]; then
    if [ -e "$work/late" ]; then facts="it does not say its version in $PATIENCE_SECONDS seconds"; fi
    die 1 "the program does not run here: $facts"
  fi
  case $facts in 'nano-snap '*) ;; *) die 1 "the program says what nano-snap would not: $facts" ;; esac
  found=${facts#nano-snap }
  found=${found%% *}
  if [ -n "$version" ] && [ "$found" != "$version" ]; then
    die 1 "$release has version $found, not $version"
  fi
}

# run_in_time PROGRAM: asks it for its version and ends as it does; what it says is in $work/said and $work/complained. One
# that hangs is killed, and leaves $work/late. Not every system has a "timeout".
run_in_time() {
  rm -f "$work/late"
  "$1" version >"$work/said" 2>"$work/complained" </dev/null &
  running=$!
  # In steps of a second: what is killed below leaves its last sleep behind.
  (
    waited=0
    while [ "$waited" -lt "$PATIENCE_SECONDS" ]; do
      sleep 1
      waited=$((waited + 1))
    done
    : >"$work/late"
    kill -9 "$running"
  ) >/dev/null 2>&1 </dev/null &
  watching=$!
  status=0
  wait "$running" 2>/dev/null || status=$?
  # Not in a way that it could catch: bash has it believe for a moment that our own traps are its own.
  kill -9 "$watching" 2>/dev/null || true
  wait "$watching" 2>/dev/null || true
  return "$status"
}

# fetch URL FILE: what went wrong is in $work/why.
fetch() {
  case $scheme/$fetcher in
    file/*) cp "${1#file://}" "$2" 2>"$work/why" ;;
    */curl)
      curl --proto "=$scheme" --tlsv1.2 --fail --silent --show-error --location --retry 2 \
        --connect-timeout 20 --speed-limit 1 --speed-time 60 --output "$2" "$1" 2>"$work/why"
      ;;
    http/wget) wget -t 3 -O "$2" "$1" 2>"$work/why" ;;
    https/wget)
      wget --secure-protocol=TLSv1_2 --tries=3 --waitretry=2 --timeout=60 --server-response -O "$2" "$1" \
        2>"$work/why" || return
      # wget has no word for "https only" where a server sends us elsewhere.
      if grep -qi '^ *location: *http:' "$work/why"; then
        echo "redirected from https to http" >>"$work/why"
        return 1
      fi
      ;;
  esac
}

reason() {
  text=$(grep . "$work/why" 2>/dev/null | tail -n 1) || true
  printf '%s' "${text:-no reason given}"
}

# What is said.

say_next() {
  case :${PATH-}: in
    *":$folder:"*)
      first=$(command -v nano-snap) || true
      if [ "$first" != "$target" ]; then say "Note: 'nano-snap' means ${first:-something else} here, earlier in PATH."; fi
      ;;
    *) say "$folder is not in PATH. Add this line to your shell's profile:" "  export PATH=\"$folder:\$PATH\"" ;;
  esac
  say "Next: nano-snap get --extract"
}

has() {
  command -v "$1" >/dev/null 2>&1
}

say() {
  printf '%s\n' "$@"
}

# die CODE WORDS...: works in a subshell too, where its caller's `set -e` ends the rest.
die() {
  code=$1
  shift
  printf 'install.sh: %s\n' "$*" >&2
  exit "$code"
}

{ main "$@"; }
