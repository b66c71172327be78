# cli/build_info.h: version, commit and compiler as constants. The commit is asked for at every
# build, not only when CMake configures; the header is rewritten only when it changes.

set(PHIAL_BUILD_INFO_DIR ${CMAKE_CURRENT_BINARY_DIR}/generated)
add_custom_target(phial_build_info
    COMMAND ${CMAKE_COMMAND}
        -DSOURCE_DIR=${CMAKE_CURRENT_SOURCE_DIR}
        -DOUT=${PHIAL_BUILD_INFO_DIR}/cli/build_info.h
        -DVERSION=${PROJECT_VERSION}
        "-DCOMPILER=${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION} (${CMAKE_BUILD_TYPE})"
        -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/write_build_info.cmake
    BYPRODUCTS ${PHIAL_BUILD_INFO_DIR}/cli/build_info.h
    COMMENT ""
    VERBATIM)
