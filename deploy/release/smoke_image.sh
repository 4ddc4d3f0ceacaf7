#!/usr/bin/env bash
# Runs an image in the ways that people will: deploy/release/smoke_image.sh IMAGE VERSION
set -euo pipefail

readonly image=$1 version=$2

fail() {
  echo "smoke: $image: $*" >&2
  exit 1
}

docker run --rm "$image" version --json | grep -F "\"version\":\"$version\"" || fail "is not version $version"
# Any user may write to /data, and nothing else needs to be written.
docker run --rm --user 12345:12345 --read-only --cap-drop ALL --security-opt no-new-privileges \
  "$image" produce fixture --size 1M --out /data/fixture.7z || fail "an unknown user cannot write to /data"

# The Python image's call is a get: without network and DHT it finds nobody, and says so with exit code 3 or 8.
code=0
docker run --rm --network none "$image" --once --extract --discover-timeout 5s || code=$?
case $code in 3 | 8) ;; *) fail "--once --extract ended with $code" ;; esac

# Without words it is a mirror, which runs until it is stopped and then says so with 143.
container=$(docker run --detach --network none "$image")
trap 'docker rm --force "$container" >/dev/null' EXIT
for _ in $(seq 60); do
  if docker exec "$container" /usr/local/bin/nano-snap health; then break; fi
  sleep 1
done
docker exec "$container" /usr/local/bin/nano-snap health || fail "is not healthy after a minute"
docker stop --time 20 "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[ "$code" = 143 ] || fail "was stopped and ended with $code: $(docker logs "$container" 2>&1 | tail -3)"
echo "smoke: $image works"
