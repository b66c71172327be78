#!/bin/sh
# headers.sh c|c++ INCLUDE_DIR BUILD_DIR CC: each public header compiles alone, twice included, and
# without a warning. Exit 77: there is no C++ compiler.
set -eu
language=$1 include=$2 build=$3 cc=$4
standard=-std=c17
if [ "$language" = c++ ]; then
    standard=-std=c++17
    cc=$(command -v c++ || command -v g++ || command -v clang++ || true)
    if [ -z "$cc" ]; then
        echo "skipped: no C++ compiler"
        exit 77
    fi
fi
failed=0 n=0
for header in "$include"/phial/*.h; do
    name=phial/$(basename "$header")
    n=$((n + 1))
    printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
        "$cc" "$standard" -x "$language" -Wall -Wextra -Wpedantic -Wundef -Werror -fsyntax-only \
            -I "$include" - || failed=1
done
# The check itself must be able to fail.
if printf '#include <phial/error.h>\nphial_nonsense x;\n' |
    "$cc" "$standard" -x "$language" -fsyntax-only -I "$include" - 2>/dev/null; then
    echo "headers.sh: a wrong header was accepted"
    failed=1
fi
echo "$n headers as $language"
[ "$n" -gt 0 ] && [ "$failed" -eq 0 ]
