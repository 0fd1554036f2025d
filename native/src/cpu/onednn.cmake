# Finds oneDNN and defines neuronode_onednn, a target that brings its headers and its library.
#
# Not through oneDNN's own CMake package: where oneDNN was built with OpenCL, as Debian's is, that one
# asks for OpenCL's headers, which nothing here uses and which its package only recommends.
# What counts is that the header says a version that we know, and that a program links against the
# library and runs with a library of the same major version.

find_path(NEURONODE_ONEDNN_INCLUDE oneapi/dnnl/dnnl_version.h)
find_library(NEURONODE_ONEDNN_LIBRARY dnnl)
if(NOT NEURONODE_ONEDNN_INCLUDE OR NOT NEURONODE_ONEDNN_LIBRARY)
  message(FATAL_ERROR
    "oneDNN with its headers was not found (Debian and Ubuntu: libdnnl-dev). An installation "
    "elsewhere is found by CMAKE_PREFIX_PATH.")
endif()

set(onednn_version "")
foreach(part MAJOR MINOR)
  # Where each define is since 3.0 is another file, so any that has it will do.
  foreach(header dnnl_version.h dnnl_config.h)
    set(path "${NEURONODE_ONEDNN_INCLUDE}/oneapi/dnnl/${header}")
    if(EXISTS "${path}")
      file(STRINGS "${path}" line REGEX "^#define +DNNL_VERSION_${part} +[0-9]+")
      if(line MATCHES "([0-9]+)$")
        list(APPEND onednn_version "${CMAKE_MATCH_1}")
        break()
      endif()
    endif()
  endforeach()
endforeach()
list(JOIN onednn_version "." onednn_version)
if(onednn_version VERSION_LESS 2.6 OR onednn_version VERSION_GREATER_EQUAL 4)
  message(FATAL_ERROR
    "oneDNN 2.6 or newer is needed, below 4; ${NEURONODE_ONEDNN_INCLUDE} has '${onednn_version}'.")
endif()

try_run(onednn_runs onednn_links
  ${CMAKE_BINARY_DIR}/onednn ${CMAKE_CURRENT_LIST_DIR}/onednn_probe.cc
  CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${NEURONODE_ONEDNN_INCLUDE}"
  LINK_LIBRARIES ${NEURONODE_ONEDNN_LIBRARY}
  COMPILE_OUTPUT_VARIABLE onednn_compile_output
  RUN_OUTPUT_VARIABLE onednn_run_output)
if(NOT onednn_links OR NOT onednn_runs EQUAL 0)
  message(FATAL_ERROR
    "A program does not link or run with ${NEURONODE_ONEDNN_LIBRARY}, oneDNN ${onednn_version}:\n"
    "${onednn_compile_output}\n${onednn_run_output}")
endif()
message(STATUS "oneDNN ${onednn_run_output}: ${NEURONODE_ONEDNN_LIBRARY}")

add_library(neuronode_onednn INTERFACE)
target_include_directories(neuronode_onednn SYSTEM INTERFACE ${NEURONODE_ONEDNN_INCLUDE})
target_link_libraries(neuronode_onednn INTERFACE ${NEURONODE_ONEDNN_LIBRARY})
