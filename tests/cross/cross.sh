#!/bin/sh
# cross.sh CPU FOLDER build CMAKE | checkkern | quant
# The kernels' tests for a CPU this machine is not: builds them in FOLDER, or runs one of them in an
# emulator. Without cross compiler or emulator nothing is built, and running is skipped (77).
set -eu
cpu=$1 folder=$2 what=$3
source=$(cd "$(dirname -- "$0")/../.." && pwd)

missing=
command -v "$cpu-linux-gnu-gcc" >/dev/null 2>&1 || missing="$cpu-linux-gnu-gcc"
[ -n "$missing" ] || echo '#include <stdio.h>' | "$cpu-linux-gnu-gcc" -E - >/dev/null 2>&1 ||
    missing="the C library for $cpu"
command -v "qemu-$cpu" >/dev/null 2>&1 || missing="${missing:+$missing, }qemu-$cpu"
if [ -n "$missing" ]; then
    [ "$what" = build ] && exit 0
    echo "skipped 1: $what on $cpu (not found: $missing)"
    exit 77
fi

# CPU model and the instruction set to be chosen on it.
chosen_on() {
    chosen=$("qemu-$cpu" -cpu "$1" "$folder/test_checkkern" --chosen)
    [ "$chosen" = "$2" ] || {
        echo "cross.sh: on a $1 the kernels of '$chosen' are chosen, expected '$2'"
        exit 1
    }
    echo "on a $1: $chosen"
}

case $what in
build)
    [ -f "$folder/build.ninja" ] ||
        "$4" -G Ninja -S "$source/tests/cross" -B "$folder" -DCMAKE_BUILD_TYPE=Release \
            -DCMAKE_C_FLAGS_RELEASE=-O2 -DCMAKE_TOOLCHAIN_FILE="$source/cmake/$cpu.cmake"
    exec "$4" --build "$folder"
    ;;
checkkern)
    chosen_on cortex-a53 neon
    chosen_on neoverse-n1 dotprod
    chosen_on max i8mm
    ;;
esac
exec "qemu-$cpu" -cpu max "$folder/test_$what"
