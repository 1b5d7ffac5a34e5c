# weft::options: what every target of ours is compiled with, and nothing a user inherits.
add_library(weft_options INTERFACE)
add_library(weft::options ALIAS weft_options)
target_compile_options(weft_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Wno-missing-field-initializers)
# g++ 12 sees overlapping copies in "literal" + std::string (its bug 105651).
target_compile_options(weft_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(WEFT_WARNINGS_AS_ERRORS)
  target_compile_options(weft_options INTERFACE -Werror)
endif()
if(WEFT_SANITIZE)
  # Instrumented code confuses g++ 12's flow analysis; the release build keeps these warnings.
  target_compile_options(weft_options INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow)
  target_compile_options(weft_options INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  if(WEFT_SANITIZE MATCHES undefined)
    # Templates of JSON consist mostly of these checks, which took a quarter of the build. A null
    # pointer ends under AddressSanitizer as well; bytes are read as numbers in inference alone.
    target_compile_options(weft_options INTERFACE -fno-sanitize=null,object-size,vptr
      $<$<NOT:$<STREQUAL:$<TARGET_PROPERTY:NAME>,weft_inference>>:-fno-sanitize=alignment>)
  endif()
  target_link_options(weft_options INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()

# A folder's library: weft_add_library(NAME HEADERS ... SOURCES ... PUBLIC ... PRIVATE ...).
# Makes target weft_NAME with alias weft::NAME; HEADERS are public and installed, the rest is not.
# A folder without sources yet is an interface library.
function(weft_add_library name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(outward PUBLIC)
  if(NOT ARG_SOURCES)
    set(outward INTERFACE)
  endif()
  if(ARG_SOURCES)
    add_library(weft_${name} ${ARG_SOURCES})
    target_link_libraries(weft_${name} PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:weft::options>)
  else()
    add_library(weft_${name} INTERFACE)
  endif()
  add_library(weft::${name} ALIAS weft_${name})
  set_target_properties(weft_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(weft_${name} ${outward} cxx_std_20)
  target_sources(weft_${name}
    ${outward} FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${ARG_HEADERS})
  target_link_libraries(weft_${name} ${outward} ${ARG_PUBLIC})
endfunction()
