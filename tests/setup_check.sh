#!/bin/sh
# setup_check.sh SOURCE: tools/setup.sh on machines where things are missing, played by a PATH of
# stand-ins for apt-get, dpkg-query, sudo and id that write down how they were called.
set -eu
source=$1
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
bin=$room/bin
mkdir "$bin"
for tool in sh cat mktemp rm tail grep mkdir; do
    ln -s "$(command -v $tool)" "$bin/$tool"
done

stand_in() { # NAME BODY
    printf '#!/bin/sh\n%s\n' "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}

fail() {
    echo "setup_check.sh: $*"
    exit 1
}

# A machine: USER_ID APT_EXIT WITH_SUDO; its packages are those in $room/installed.
machine() {
    rm -f "$bin/sudo" "$room/calls"
    : >"$room/calls"
    stand_in id "echo $1"
    stand_in apt-get "echo \"apt-get \$*\" >>$room/calls; [ \"\$1\" = update ] || exit $2"
    [ "$3" = no ] || stand_in sudo "echo sudo >>$room/calls; shift; exec \"\$@\""
    stand_in dpkg-query "grep -qx \"\$4\" $room/installed && echo installed"
}

# Runs the set-up; leaves its exit code in $code, its words in $room/said.
try() {
    code=0
    PATH=$bin sh -c "me=test; . $source/tools/setup.sh; need_build_packages; install_missing" \
        >"$room/said" 2>&1 || code=$?
}

said() {
    grep -q -- "$1" "$room/said" || fail "expected '$1', got: $(cat "$room/said")"
}

# The libraries, in the order in which they are asked for.
libs=$(sed -n 's/^    need_lib [^ ]* \(.*\)$/\1/p' "$source/tools/setup.sh")
[ "$(printf '%s\n' "$libs" | wc -l)" -gt 3 ] || fail "found only these libraries: $libs"

: >"$room/installed"
machine 0 0 no
try
[ $code -eq 0 ] || fail "root and a working apt-get: exit $code: $(cat "$room/said")"
# shellcheck disable=SC2086 # a list of words
grep -q "^apt-get install .* gcc cmake ninja-build pkg-config $(echo $libs)\$" "$room/calls" ||
    fail "wrong packages: $(cat "$room/calls")"

machine 0 100 no
try
[ $code -eq 1 ] || fail "a failing apt-get: exit $code"
said "apt-get could not install: gcc"

machine 1000 0 no
try
[ $code -eq 1 ] || fail "no root, no sudo: exit $code"
said "there is no sudo; as root: apt-get install gcc"
[ ! -s "$room/calls" ] || fail "apt-get was called without the right to: $(cat "$room/calls")"

machine 1000 0 yes
try
[ $code -eq 0 ] || fail "with sudo: exit $code: $(cat "$room/said")"
grep -qx sudo "$room/calls" || fail "sudo was not used"

# One library missing, everything else there: that one and nothing else.
for tool in cc cmake ninja pkg-config; do
    stand_in "$tool" "exit 1"
done
printf '%s\n' "$libs" | grep -vx libxxhash-dev >"$room/installed"
machine 0 0 no
try
grep '^apt-get install' "$room/calls" | grep -q 'recommends libxxhash-dev$' ||
    fail "expected libxxhash-dev alone: $(cat "$room/calls")"

# Nothing missing: nothing is called and nothing is said.
echo libxxhash-dev >>"$room/installed"
machine 1000 0 yes
try
[ $code -eq 0 ] && [ ! -s "$room/calls" ] && [ ! -s "$room/said" ] ||
    fail "nothing is missing, yet: $(cat "$room/calls" "$room/said")"

# What is only wanted: installed where that can be done, done without where not.
machine 0 0 no
PATH=$bin sh -c "me=test; . $source/tools/setup.sh; want sh sh; want qemu-none qemu-user; install_wanted; echo on" \
    >"$room/said" 2>&1 || fail "wanted packages: exit $?"
grep -q '^apt-get install .* qemu-user$' "$room/calls" ||
    fail "wanted packages: $(cat "$room/calls")"
machine 0 100 no
PATH=$bin sh -c "me=test; . $source/tools/setup.sh; want qemu-none qemu-user; install_wanted; echo on" \
    >"$room/said" 2>&1 || fail "wanted packages that cannot be had: exit $?"
said "going on without: qemu-user"
said "^on$"

rm "$bin/apt-get"
echo nothing >"$room/installed"
try
[ $code -eq 1 ] || fail "no apt-get: exit $code"
said "There is no apt-get here"
echo "set-up does what it should on 9 machines"
