# From `ctest --verbose`: one line for each entry that passed, all output of each that did not.
# Lines of entry N's output begin with "N: "; they come before its result line.
/^[0-9]+: / {
    n = $1
    sub(/:$/, "", n)
    output[n] = output[n] $0 "\n"
    next
}
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
    n = $0
    sub(/^[^#]*#/, "", n)
    sub(/:.*/, "", n)
    if ($0 !~ / Passed +[0-9.]+ sec/)
        printf "%s", output[n]
    delete output[n]
    print
    fflush()
}
