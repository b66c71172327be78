# The helper programs: third-party parsers, each run over one document in a sandbox. They stand
# beside the program in the build folder, and in libexec/phial when installed.
#
# phial-extract is built always. phial-pdf needs poppler, which is under the GPL: it is a program of
# its own, built where poppler-glib is there, and packaged apart.

pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(UCHARDET REQUIRED IMPORTED_TARGET uchardet)
pkg_check_modules(MD4C REQUIRED IMPORTED_TARGET md4c)
pkg_check_modules(GUMBO REQUIRED IMPORTED_TARGET gumbo)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat)
pkg_check_modules(POPPLER IMPORTED_TARGET poppler-glib)

# All but the files with a main(): tests and fuzz targets reach it too. The sandbox is the helpers'
# alone, so that the library needs no libseccomp.
file(GLOB PHIAL_HELPER_SOURCES CONFIGURE_DEPENDS src/helper/*.c)
list(FILTER PHIAL_HELPER_SOURCES EXCLUDE REGEX "/phial_[a-z_]*\\.c$")
add_library(phial_helper STATIC ${PHIAL_HELPER_SOURCES} ${CMAKE_CURRENT_SOURCE_DIR}/src/proc/sandbox.c)
target_link_libraries(phial_helper PUBLIC phial_static PkgConfig::SECCOMP PkgConfig::UCHARDET
    PkgConfig::MD4C PkgConfig::GUMBO PkgConfig::LIBARCHIVE PkgConfig::EXPAT)
phial_warnings(phial_helper)

# ThreadSanitizer's runtime opens files and starts a thread when it likes, which the sandbox forbids:
# in such a build the helpers are made without it, in a folder of their own.
if(PHIAL_SANITIZE MATCHES "thread")
    set(plain ${CMAKE_BINARY_DIR}/plain)
    set(names phial-extract)
    if(POPPLER_FOUND)
        list(APPEND names phial-pdf)
    endif()
    list(TRANSFORM names PREPEND ${plain}/ OUTPUT_VARIABLE built)
    add_custom_target(plain_helpers ALL
        COMMAND ${CMAKE_COMMAND} -S ${CMAKE_SOURCE_DIR} -B ${plain} -G ${CMAKE_GENERATOR}
            -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DCMAKE_BUILD_TYPE=Release
            "-DCMAKE_C_FLAGS_RELEASE=-O2 -g"
            -DPHIAL_TESTS=OFF -DPHIAL_SANITIZE=
        COMMAND ${CMAKE_COMMAND} --build ${plain} --target ${names}
        COMMAND ${CMAKE_COMMAND} -E copy_if_different ${built} ${CMAKE_BINARY_DIR}
        VERBATIM)
    set(PHIAL_HELPERS plain_helpers)
else()
    file(GLOB PHIAL_EXTRACT_MAIN CONFIGURE_DEPENDS src/helper/phial_extract*.c)
    add_executable(phial-extract ${PHIAL_EXTRACT_MAIN})
    target_link_libraries(phial-extract PRIVATE phial_helper)
    phial_warnings(phial-extract)
    set(PHIAL_HELPERS phial-extract)

    file(GLOB PHIAL_PDF_MAIN CONFIGURE_DEPENDS src/helper/phial_pdf*.c)
    if(POPPLER_FOUND AND PHIAL_PDF_MAIN)
        add_executable(phial-pdf ${PHIAL_PDF_MAIN})
        target_link_libraries(phial-pdf PRIVATE phial_helper PkgConfig::POPPLER)
        phial_warnings(phial-pdf)
        list(APPEND PHIAL_HELPERS phial-pdf)
    endif()
    install(TARGETS ${PHIAL_HELPERS} DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/phial)
endif()

add_dependencies(phial ${PHIAL_HELPERS}) # who builds the program alone wants to read documents, too
