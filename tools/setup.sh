# What ./run and ./test share, for any POSIX shell: find out which packages are missing (usually
# none), install only those, build when something changed. Nothing else on the machine is touched.

say() {
    echo "$me: $*" >&2
}

die() {
    say "$*"
    exit 1
}

has_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need COMMAND PACKAGE, need_lib PKG_CONFIG_NAME PACKAGE: notes the package if what it gives is absent.
missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need_lib() {
    has_package "$2" && return
    command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$1" 2>/dev/null && return
    missing="$missing $2"
}

# want COMMAND PACKAGE: notes what some tests need and can be skipped without.
wanted=
want() {
    command -v "$1" >/dev/null 2>&1 || wanted="$wanted $2"
}

need_build_packages() {
    command -v cc >/dev/null 2>&1 || need gcc gcc
    [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
    need cmake cmake
    need ninja ninja-build
    need pkg-config pkg-config
    need_lib jansson libjansson-dev
    need_lib libxxhash libxxhash-dev
    need_lib libedit libedit-dev
    need_lib libseccomp libseccomp-dev
    need_lib uchardet libuchardet-dev
    need_lib md4c libmd4c-dev
    need_lib gumbo libgumbo-dev
    need_lib libarchive libarchive-dev
    need_lib expat libexpat1-dev
    need_lib poppler-glib libpoppler-glib-dev
    need_lib poppler-data poppler-data
}

apt() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null
    else
        sudo DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null
    fi
}

install_missing() {
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 ||
        die "missing:$missing (Debian's names). There is no apt-get here; please install them and try again."
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
        die "missing packages:$missing. This needs root and there is no sudo; as root: apt-get install$missing"
    fi
    say "installing missing packages:$missing"
    log=$(mktemp) || die "cannot make a temporary file"
    # Stale package lists are the usual reason for a failed install, and an unreachable mirror for a
    # failed update: only the install decides.
    apt update -q >"$log" 2>&1 || true
    # shellcheck disable=SC2086 # a list of words
    if ! apt install -q -y --no-install-recommends $missing >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install:$missing (its last words are above)"
    fi
    rm -f "$log"
    missing=
}

# Installs what is wanted if that can be done, and says so if not.
install_wanted() {
    [ -n "$wanted" ] || return 0
    if ! (missing=$wanted && install_missing); then
        say "going on without:$wanted (the tests that need them are counted as skipped)"
    fi
    wanted=
}

# build PRESET TARGET TESTS: silent unless it takes work or fails. TESTS is ON or OFF; what only tests
# need is not asked for when it is OFF, and a folder that was once configured with them keeps them.
build() {
    preset=$1 target=$2 tests=$3
    folder=build/$preset
    log=$folder/build.log
    cache=$folder/CMakeCache.txt
    mkdir -p "$folder" || die "cannot write in $PWD/build"
    # A cache made for the same files at another path (a moved or copied tree) would be refused.
    if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
        rm -rf "$cache" "$folder/CMakeFiles" "$folder/build.ninja"
    fi
    if [ ! -f "$folder/build.ninja" ] ||
        { [ "$tests" = ON ] && grep -q '^PHIAL_TESTS:BOOL=OFF' "$cache"; }; then
        say "building ($preset), a minute or so"
        if ! cmake --preset "$preset" -DPHIAL_TESTS="$tests" >"$log" 2>&1; then
            rm -f "$folder/build.ninja"
            tail -n 30 "$log" >&2
            die "cmake could not configure the preset '$preset' (all of it: $log)"
        fi
    fi
    if ! cmake --build --preset "$preset" --target "$target" >"$log" 2>&1; then
        grep -v '^\[' "$log" | tail -n 60 >&2
        die "the build of preset '$preset' failed (all of it: $log)"
    fi
}
