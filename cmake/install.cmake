# cmake --install: the program, both libraries, the public headers, phial.pc, man pages, completions,
# and the model in the box.

install(TARGETS phial phial_static phial_shared)
install(DIRECTORY include/phial DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PHIAL_DESCRIBED}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
    FILES_MATCHING PATTERN "*.1")
install(FILES ${PHIAL_DESCRIBED}/phial.bash RENAME phial
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PHIAL_DESCRIBED}/_phial DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PHIAL_DESCRIBED}/phial.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

install(FILES models/nano/nano.gguf DESTINATION ${CMAKE_INSTALL_DATADIR}/phial)

# The prefix may be chosen as late as `cmake --install --prefix`, so phial.pc is made then.
set(PC_TEMPLATE ${CMAKE_CURRENT_SOURCE_DIR}/cmake/phial.pc.in)
install(CODE "
    set(PROJECT_VERSION \"${PROJECT_VERSION}\")
    set(PROJECT_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
    set(CMAKE_INSTALL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
    set(CMAKE_INSTALL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
    configure_file(\"${PC_TEMPLATE}\" \"${CMAKE_CURRENT_BINARY_DIR}/phial.pc\" @ONLY)
    file(INSTALL \"${CMAKE_CURRENT_BINARY_DIR}/phial.pc\"
         DESTINATION \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig\")
")
