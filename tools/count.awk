# From `ctest --verbose`: "N passed, N failed, N skipped", of single tests. A cmocka program counts as
# the tests it reports; anything else, and a program that died before its report, counts as one.
/^[0-9]+: .*\[  (PASSED|FAILED |SKIPPED)  *\] [0-9]+ test/ {
    n = $1
    sub(/:$/, "", n)
    kind = $0 ~ /\[  PASSED/ ? "p" : $0 ~ /\[  FAILED/ ? "f" : "s"
    line = $0
    sub(/.*\[  [A-Z]+ *\] /, "", line)
    count[n, kind] += line + 0
    seen[n] = 1
}
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
    n = $0
    sub(/^[^#]*#/, "", n)
    sub(/:.*/, "", n)
    ok = $0 ~ / Passed +[0-9.]+ sec/
    skip = $0 ~ /\*\*\*Skipped/
    passed += count[n, "p"]
    failed += count[n, "f"]
    skipped += count[n, "s"]
    if (!seen[n]) {
        passed += ok
        skipped += skip
    }
    if (!ok && !skip && count[n, "f"] == 0)
        failed++
}
END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
