#!/bin/sh
# installed.sh SOURCE BUILD CC CMAKE: installs into a folder of the build, looks at what is exported,
# and builds an example with nothing but the installed phial.pc, shared and static.
set -eu
source=$1 build=$2 cc=$3 cmake=$4
prefix=$build/installed
rm -rf "$prefix"
"$cmake" --install "$build" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name phial.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$lib/pkgconfig"
fail() {
    echo "installed.sh: $*"
    exit 1
}

[ -x "$prefix/bin/phial" ] || fail "no program"
[ -x "$prefix/libexec/phial/phial-extract" ] || fail "no helper program"
[ -f "$prefix/share/phial/nano.gguf" ] || fail "no model in the box"
[ -f "$lib/libphial.a" ] || fail "no static library"
readelf -d "$lib/libphial.so" | grep -q 'SONAME.*\[libphial\.so\.0\]' || fail "SONAME is not libphial.so.0"
alien=$(nm -D --defined-only "$lib/libphial.so" | awk '{print $NF}' | grep -v '^phial_' || true)
[ -z "$alien" ] || fail "exported symbols that are not phial_*: $alien"
nm -D --defined-only "$lib/libphial.so" | grep -q ' phial_status_name$' || fail "phial_status_name is not exported"
for header in "$source"/include/phial/*.h; do
    cmp -s "$header" "$prefix/include/phial/$(basename "$header")" || fail "$header is not installed"
done

# shellcheck disable=SC2046 # pkg-config's words are separate arguments
"$cc" -std=c17 -o "$prefix/shared_example" "$source/examples/status.c" $(pkg-config --cflags --libs phial)
LD_LIBRARY_PATH="$lib" "$prefix/shared_example" | grep -q ok || fail "the shared example does not run"
sed 's,-lphial,-l:libphial.a,' "$pc" >"$lib/pkgconfig/phial_as_static.pc"
"$cc" -std=c17 -o "$prefix/static_example" "$source/examples/status.c" $(pkg-config --cflags --libs --static phial_as_static)
"$prefix/static_example" | grep -q ok || fail "the static example does not run"
"$prefix/bin/phial" version >/dev/null || fail "the installed program does not run"
echo "installed tree is complete"
