#ifndef ACTKIN_TESTS_SHARED_DATA_H_
#define ACTKIN_TESTS_SHARED_DATA_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace actkin {

// A file of the golden data, in the folder that the CMake variable ACTKIN_SHARED_DATA names.
inline std::filesystem::path SharedData(const std::string& relative) {
  return std::filesystem::path(ACTKIN_SHARED_DATA) / relative;
}

inline nlohmann::json SharedJson(const std::string& relative) {
  std::ifstream stream(SharedData(relative));
  return nlohmann::json::parse(stream);
}

}  // namespace actkin

// First line of a test that needs golden data: skips it, by name, where the folder is absent.
#define ACTKIN_NEEDS_SHARED_DATA(relative)                                             \
  if (!std::filesystem::exists(::actkin::SharedData(relative)))                        \
  GTEST_SKIP() << "golden data is absent: " << ::actkin::SharedData(relative).string() \
               << " does not exist; configure with -DACTKIN_SHARED_DATA=FOLDER to run this test"

#endif  // ACTKIN_TESTS_SHARED_DATA_H_
