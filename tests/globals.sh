#!/bin/sh
# globals.sh LIBRARY: the library keeps no writable global state. Looks for objects in .data, .bss
# and thread-local sections of each member; constant tables (.data.rel.ro) are fine. The one
# exception is base/file.c, whose signal handler belongs to the process.
set -eu
found=$(objdump -t "$1" | awk '
    / file format / { member = $1; sub(/:$/, "", member) }
    $0 ~ / O \.(data|bss|tdata|tbss)(\.|[ \t])/ && $0 !~ /\.data\.rel\.ro/ { print member ": " $NF }
    /\*COM\*/ { print member ": " $NF }')
others=$(printf '%s\n' "$found" | grep -v '^file\.c\.o: ' || true)
# The check sees something, or it sees nothing at all.
printf '%s\n' "$found" | grep -q '^file\.c\.o: ' || {
    echo "globals.sh: not even the state of base/file.c was found"
    exit 1
}
[ -z "$others" ] || {
    echo "writable global state in the library:"
    printf '%s\n' "$others"
    exit 1
}
echo "no writable global state outside base/file.c"
