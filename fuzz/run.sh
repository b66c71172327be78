#!/bin/sh
# Fuzzes one parser with libFuzzer for as long as asked: fuzz/run.sh TARGET [SECONDS]
# New inputs are kept in build/fuzz/found/TARGET, crashes in build/fuzz/crashes/TARGET; an input worth
# keeping is copied to fuzz/corpus/TARGET under a name that says what it is.
set -eu
cd "$(dirname "$0")/.."
if [ $# -lt 1 ]; then
    echo "usage: fuzz/run.sh TARGET [SECONDS]; targets:" >&2
    for f in fuzz/fuzz_*.c; do basename "$f" .c >&2; done
    exit 2
fi
target=$1
seconds=${2:-3600}
if [ ! -f "fuzz/$target.c" ]; then
    echo "fuzz/run.sh: there is no fuzz/$target.c" >&2
    exit 2
fi
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "$target"
mkdir -p "build/fuzz/found/$target" "build/fuzz/crashes/$target"
exec "build/fuzz/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz/crashes/$target/" \
    "build/fuzz/found/$target" "fuzz/corpus/$target"
