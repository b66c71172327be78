# Kernels of one instruction set: the file's name says which flags it needs, and one portable binary
# holds them all, chosen at start. src/kern/x86/avx2_*.c, avx512_*.c, avx512vnni_*.c, avx512bf16_*.c;
# src/kern/arm/neon_*.c (what every aarch64 CPU has), dotprod_*.c, i8mm_*.c.

get_filename_component(PHIAL_KERN ${CMAKE_CURRENT_LIST_DIR}/../src/kern ABSOLUTE)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    file(GLOB PHIAL_X86 CONFIGURE_DEPENDS ${PHIAL_KERN}/x86/*.c)
    file(GLOB PHIAL_AVX2 CONFIGURE_DEPENDS ${PHIAL_KERN}/x86/avx2_*.c)
    file(GLOB PHIAL_AVX512 CONFIGURE_DEPENDS ${PHIAL_KERN}/x86/avx512_*.c)
    file(GLOB PHIAL_AVX512VNNI CONFIGURE_DEPENDS ${PHIAL_KERN}/x86/avx512vnni_*.c)
    file(GLOB PHIAL_AVX512BF16 CONFIGURE_DEPENDS ${PHIAL_KERN}/x86/avx512bf16_*.c)
    set_source_files_properties(${PHIAL_AVX2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
    set(AVX512_FLAGS "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl")
    set_source_files_properties(${PHIAL_AVX512} PROPERTIES COMPILE_OPTIONS "${AVX512_FLAGS}")
    set_source_files_properties(${PHIAL_AVX512VNNI} PROPERTIES COMPILE_OPTIONS
        "${AVX512_FLAGS};-mavx512vnni")
    set_source_files_properties(${PHIAL_AVX512BF16} PROPERTIES COMPILE_OPTIONS
        "${AVX512_FLAGS};-mavx512bf16")
    list(APPEND PHIAL_LIB_SOURCES ${PHIAL_X86})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
    file(GLOB PHIAL_ARM CONFIGURE_DEPENDS ${PHIAL_KERN}/arm/*.c)
    file(GLOB PHIAL_DOTPROD CONFIGURE_DEPENDS ${PHIAL_KERN}/arm/dotprod_*.c)
    file(GLOB PHIAL_I8MM CONFIGURE_DEPENDS ${PHIAL_KERN}/arm/i8mm_*.c)
    set_source_files_properties(${PHIAL_DOTPROD} PROPERTIES COMPILE_OPTIONS
        "-march=armv8.2-a+dotprod")
    set_source_files_properties(${PHIAL_I8MM} PROPERTIES COMPILE_OPTIONS
        "-march=armv8.2-a+dotprod+i8mm")
    list(APPEND PHIAL_LIB_SOURCES ${PHIAL_ARM})
endif()
