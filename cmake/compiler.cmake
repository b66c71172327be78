# Flags that hold for all of our own code.
#
# -ffp-contract=off: the compiler must not fuse a*b+c on its own; where a fused operation is wanted
# it is written. The bits of a result are a promise.

add_compile_options(-ffp-contract=off -fno-math-errno)
if(PHIAL_SANITIZE)
    add_compile_options(-fsanitize=${PHIAL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${PHIAL_SANITIZE})
endif()
if(PHIAL_LIBFUZZER)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(phial_warnings target)
    target_compile_options(${target} PRIVATE
        -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
        -Wwrite-strings -Wvla -Wundef -Wcast-align -Wformat=2)
    if(PHIAL_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
endfunction()
