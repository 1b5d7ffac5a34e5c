#include "planner/value.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace weft::planner {
namespace {

using nlohmann::json;

template <typename T>
void check_round_trip(const T& value, const json& text) {
  const Value made = make_value<T>(value);
  CHECK(to_json(made) == text);
  const auto back = from_json(*type_of<T>(), text);
  REQUIRE(back);
  CHECK(back->type() == type_of<T>());
  CHECK(back->template as<T>() == value);
}

TEST_CASE("values of every type go to JSON and back") {
  check_round_trip<bool>(true, true);
  check_round_trip<std::int64_t>(INT64_MIN, INT64_MIN);
  check_round_trip<double>(0.1, 0.1);
  check_round_trip<std::string>("a", "a");
  check_round_trip<std::vector<bool>>({true, false}, {true, false});
  check_round_trip<std::vector<std::vector<std::int64_t>>>({{1}, {}, {2, 3}},
                                                           json::parse("[[1],[],[2,3]]"));
  const Partial<std::string> partial{{0, 2}, {"a", "c"}, {{1, ErrorCode::kNotFound, "no b"}}};
  CHECK(to_json(make_value(partial)) ==
        json::parse(R"({"values":[[0,"a"],[2,"c"]],"missing":[[1,"not_found","no b"]]})"));
  CHECK(type_of<Partial<std::vector<bool>>>()->name == "partial<list<bool>>");
}

TEST_CASE("JSON that isn't of a type is refused, and says where") {
  const auto refusal = [](const Type* type, const json& text) {
    const auto read = from_json(*type, text);
    return read ? std::string("accepted") : read.error().message;
  };
  CHECK(refusal(type_of<bool>(), 1) == "a value of type bool can't be 1");
  CHECK(refusal(type_of<std::int64_t>(), 1.5) == "a value of type int can't be 1.5");
  CHECK(refusal(type_of<std::int64_t>(), UINT64_MAX) ==
        "a value of type int can't be 18446744073709551615");
  CHECK(refusal(type_of<std::vector<std::string>>(), {"a", 2}) ==
        "element 1: a value of type text can't be 2");
  CHECK(refusal(type_of<std::vector<double>>(), "x") ==
        "a value of type list<number> can't be \"x\"");
  CHECK(refusal(type_of<Partial<bool>>(), json::object()) ==
        "a value of type partial<bool> can't be {}");
}

TEST_CASE("elements of a list are shared with it, not copied") {
  const Value list = make_value(std::vector<std::string>{"a", "b"});
  const Parts parts = list.type()->split(list);
  CHECK(parts.values[1].data().get() == &list.as<std::vector<std::string>>()[1]);
  CHECK(list.type()->join(parts).as<std::vector<std::string>>() ==
        std::vector<std::string>{"a", "b"});
}

}  // namespace
}  // namespace weft::planner
