#include "planner/nodes/vote.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace weft::planner {
namespace {

TEST_CASE("the majority wins, ties go to the earliest, blank answers don't count") {
  const auto won = vote({"Rome", "", "paris.", "Paris", " "}).value();
  CHECK(won.winner == "paris.");
  CHECK(won.votes == 2);
  CHECK(won.of == 3);
  CHECK(won.is_decided);
  const auto tied = vote({"b", "a"}).value();
  CHECK(tied.winner == "b");
  CHECK_FALSE(tied.is_decided);
  CHECK(vote({" ", ""}).error().code == ErrorCode::kNotFound);
  CHECK(vote({}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("the first to lead by K wins, whatever comes after") {
  const auto won = vote({"a", "b", "b", "b", "a", "a", "a", "a", "a"}, {.lead = 2}).value();
  CHECK(won.winner == "b");
  CHECK(won.of == 4);
  CHECK(won.is_decided);
  const auto open = vote({"a", "b", "a"}, {.lead = 2}).value();
  CHECK(open.winner == "a");
  CHECK_FALSE(open.is_decided);
}

TEST_CASE("the best score selects, the first of equals") {
  CHECK(select({"a", "b", "c"}, {1, 2, 2}).value() == "b");
  CHECK_FALSE(select({"a"}, {}));
  CHECK_FALSE(select({}, {}));
  CHECK_FALSE(select({"a"}, {std::nan("")}));
}

}  // namespace
}  // namespace weft::planner
