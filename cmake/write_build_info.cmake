# Run by build_info.cmake as a script.
execute_process(COMMAND git -C ${SOURCE_DIR} rev-parse --short=12 HEAD
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
# A source tree unpacked inside somebody else's repository has that repository's commit, not ours.
execute_process(COMMAND git -C ${SOURCE_DIR} rev-parse --show-cdup
    OUTPUT_VARIABLE up OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(failed OR NOT "${up}" STREQUAL "")
    set(commit unknown)
else()
    execute_process(COMMAND git -C ${SOURCE_DIR} diff --quiet HEAD --
        ERROR_QUIET RESULT_VARIABLE changed)
    if(changed)
        string(APPEND commit "-modified")
    endif()
endif()
set(text "#ifndef PH_CLI_BUILD_INFO_H
#define PH_CLI_BUILD_INFO_H

#define PH_BUILD_VERSION \"${VERSION}\"
#define PH_BUILD_COMMIT \"${commit}\"
#define PH_BUILD_COMPILER \"${COMPILER}\"

#endif
")
if(EXISTS ${OUT})
    file(READ ${OUT} old)
endif()
if(NOT "${old}" STREQUAL "${text}")
    file(WRITE ${OUT} "${text}")
endif()
