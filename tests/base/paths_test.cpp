#include "base/paths.h"

#include <catch2/catch.hpp>

namespace weft {
namespace {

TEST_CASE("the data home is WEFT_HOME, else XDG's, else under HOME") {
  CHECK(*data_home({{"WEFT_HOME", "/w"}, {"XDG_DATA_HOME", "/x"}, {"HOME", "/h"}}) == "/w");
  CHECK(*data_home({{"XDG_DATA_HOME", "/x"}, {"HOME", "/h"}}) == "/x/weft");
  CHECK(*data_home({{"HOME", "/h"}}) == "/h/.local/share/weft");
  CHECK(*data_home({{"WEFT_HOME", ""}, {"XDG_DATA_HOME", ""}, {"HOME", "/h"}}) ==
        "/h/.local/share/weft");
  CHECK(*data_home({{"XDG_DATA_HOME", "relative"}, {"HOME", "/h"}}) == "/h/.local/share/weft");
}

TEST_CASE("without a usable variable there is an error that says which to set") {
  CHECK(data_home({{"WEFT_HOME", "here"}}).error().code == ErrorCode::kInvalidArgument);
  CHECK(data_home({}).error().code == ErrorCode::kNotFound);
  CHECK(data_home({}).error().message.find("WEFT_HOME") != std::string::npos);
  CHECK(config_file({{"HOME", "relative"}}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("the configuration lies where XDG says") {
  CHECK(*config_file({{"XDG_CONFIG_HOME", "/c"}}) == "/c/weft/config.toml");
  CHECK(*config_file({{"HOME", "/h"}}) == "/h/.config/weft/config.toml");
}

TEST_CASE("an environment is read from main()'s pointers") {
  const char* const entries[] = {"A=1", "B=x=y", "C=", "=strange", "none", nullptr};
  CHECK(read_environment(entries) == Environment{{"A", "1"}, {"B", "x=y"}, {"C", ""}});
  CHECK(read_environment(nullptr).empty());
}

}  // namespace
}  // namespace weft
