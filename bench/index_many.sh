#!/bin/sh
# Very many small files, and one very large one, through phial index: time, memory, an interruption
# (SIGINT, as Ctrl-C sends it, after 20 seconds) with a check behind it, and what a second run costs.
#
#   bench/index_many.sh PHIAL FOLDER [FILES [MEGABYTES]]
#
# FOLDER is made, filled and removed. FILES (100,000) files of a line in folders of 1,000, half of
# them again in one folder; a text file of MEGABYTES (2048; 0: none).
set -eu
phial=$1 folder=$2 files=${3:-100000} megabytes=${4:-2048}
mkdir "$folder"
trap 'rm -rf "$folder"' EXIT

measured() {
    what=$1
    shift
    /usr/bin/time -f "$what: %e s, %U + %S s of CPU time, %M KB" "$@" >"$folder/out"
    cat "$folder/out"
}

awk -v n="$files" -v folder="$folder" 'BEGIN {
    for (i = 0; i < n; i++) {
        dir = i % 2 ? folder "/many/flat" : folder "/many/" int(i / 1000)
        if (!(dir in made)) {
            system("mkdir -p " dir)
            made[dir] = 1
        }
        file = dir "/" i ".txt"
        print "Note number" i " tells of rivers and ships." > file
        close(file)
    }
}'
measured "$files files, interrupted" timeout --signal=INT --preserve-status 20 \
    "$phial" index "$folder/many.phial" "$folder/many" || echo "exit code $?"
ls "$folder" | grep 'phial-' && echo "left lying: a journal"
measured "check" "$phial" collection check "$folder/many.phial"
measured "$files files, the rest" "$phial" index "$folder/many.phial" "$folder/many"
measured "again" "$phial" index "$folder/many.phial" "$folder/many"
measured "again, --quick" "$phial" index "$folder/many.phial" "$folder/many" --quick
measured "check" "$phial" collection check "$folder/many.phial"
measured "search" "$phial" search "$folder/many.phial" number77 -k 1
rm -rf "$folder/many" "$folder/many.phial"
if [ "$megabytes" -gt 0 ]; then
    awk -v bytes="${megabytes}e6" 'BEGIN {
        for (n = 0; n < bytes; n += length(line) + 1) {
            line = "Line " ++i " of a long text, in which " int(i * 7919 % 10007) " ships sail."
            print line
        }
    }' >"$folder/large.txt"
    measured "$megabytes MB of text" "$phial" index "$folder/large.phial" "$folder/large.txt"
    measured "again" "$phial" index "$folder/large.phial" "$folder/large.txt"
    ls -l "$folder" | awk '/phial|txt/ {print $9, $5}'
fi
