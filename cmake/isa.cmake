# Kernels of one instruction set: the file's name says which flags it needs.
# src/kern/x86/avx2_*.c, src/kern/x86/avx512_*.c; one portable binary, chosen at start by cpuid.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    file(GLOB PHIAL_X86 CONFIGURE_DEPENDS src/kern/x86/*.c)
    file(GLOB PHIAL_AVX2 CONFIGURE_DEPENDS src/kern/x86/avx2_*.c)
    file(GLOB PHIAL_AVX512 CONFIGURE_DEPENDS src/kern/x86/avx512_*.c)
    set_source_files_properties(${PHIAL_AVX2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
    set_source_files_properties(${PHIAL_AVX512} PROPERTIES COMPILE_OPTIONS
        "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl")
    list(APPEND PHIAL_LIB_SOURCES ${PHIAL_X86})
endif()
