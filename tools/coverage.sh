#!/bin/sh
# coverage.sh BUILD: lines of each file under src/ that the tests reached, by gcov, worst first.
set -eu
build=$1
here=$(pwd)
find "$build" -name '*.gcda' -path '*phial_*' | while read -r data; do
    (cd "$build" && gcov -n -s "$here" -r "$here/$data" 2>/dev/null)
done | awk '
    /^File / { file = $2; gsub(/\047/, "", file); next }
    /^Lines executed:/ && file ~ /^src\// {
        split($2, part, /[:%]/)
        lines[file] = $4
        reached[file] = part[2] * $4 / 100
        file = ""
    }
    END {
        for (f in lines) {
            printf "%6.1f%% of %5d lines  %s\n", 100 * reached[f] / lines[f], lines[f], f | "sort -n"
            all += lines[f]
            hit += reached[f]
        }
        close("sort -n")
        if (all) printf "%6.1f%% of %5d lines  all of src\n", 100 * hit / all, all
    }'
