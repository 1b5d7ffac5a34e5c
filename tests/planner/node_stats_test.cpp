// What runs leave in a book of statistics, and what is read back from it.

#include "planner/node_stats.h"

#include <catch2/catch.hpp>
#include <string>

#include "planner/forecast.h"
#include "planner/graph.h"
#include "planner/positions.h"
#include "planner/runtime.h"
#include "planner/stats_collector.h"

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Int = std::int64_t;

TEST_CASE("a reservoir keeps each item with the same chance") {
  int low = 0;
  Reservoir<Int> reservoir;
  for (Int i = 0; i < 20'000; ++i) reservoir.add(i);
  CHECK(reservoir.seen() == 20'000);
  CHECK(reservoir.items().size() == Reservoir<Int>::kKept);
  for (const Int item : reservoir.items()) low += item < 10'000 ? 1 : 0;
  CHECK(wilson(low, double(Reservoir<Int>::kKept), 4).contains(0.5));

  Reservoir<Int> few;
  few.add(-1);
  few.merge(reservoir);
  CHECK(few.seen() == 20'001);
  CHECK(few.items().size() == Reservoir<Int>::kKept);
}

TEST_CASE("signed errors: mean and variance as by hand") {
  Judgements judged;
  for (const double error : {1.0, 2.0, 6.0}) judged.add_error(error);
  CHECK(judged.error_mean == Approx(3));
  CHECK(judged.error_variance() == Approx(7));  // (4 + 1 + 9) / 2
}

TEST_CASE("step times are linear between measured batches") {
  const EngineRates rates{.step_seconds = {{1, 0.010}, {4, 0.016}}};
  CHECK(rates.step(1) == Approx(0.010));
  CHECK(rates.step(2) == Approx(0.012));
  CHECK(rates.step(8) == Approx(0.024));
  CHECK(EngineRates{}.step(3) == 0);
}

TEST_CASE("the chance to miss is fitted to rise with size") {
  StatsBook book;
  const auto judge = [&](Int size, Int right, Int of) {
    NodeStats& stats = book.node({.function = "find", .size_bucket = size_bucket(size)});
    stats.judged.with_answer = of;
    stats.judged.right = right;
  };
  judge(100, 9, 10);
  judge(200, 30, 30);  // by chance better than the smaller ones
  judge(400, 5, 10);
  const auto misses = book.miss_by_size("find");
  REQUIRE(misses.size() == 3);
  CHECK(misses.at(64) == Approx(1.0 / 40));
  CHECK(misses.at(128) == Approx(1.0 / 40));
  CHECK(misses.at(256) == Approx(0.5));
}

TEST_CASE("paths lose their indices and nothing else") {
  CHECK(without_indices("a[2]/m[10]/x") == "a/m/x");
  CHECK(without_indices("m[3]") == "m");
  CHECK(without_indices("list[x]/[]") == "list[x]/[]");
}

/// A map of calls that fail at first when n is odd, a loop to 3, a branch by the input's sign.
Program<Int> sample_program() {
  Graph g;
  const auto list = g.input<std::vector<Int>>("list");
  const auto calls = g.map(
      "call",
      [](Ctx& ctx, const Int& n) -> Result<Int> {
        WEFT_TRY_VOID(ctx.sleep_for(n * 1s));
        ctx.spend({.prompt_tokens = 100 + n, .output_tokens = 7, .calls = 1});
        if (n % 2 == 1 && ctx.attempt() == 1) return Error{ErrorCode::kNetwork, "no answer"};
        return n;
      },
      {.attempts = 2, .lane = LaneKind::kModel}, list);
  const auto sum = g.node(
      "sum",
      [](Ctx&, const std::vector<Int>& all) {
        Int total = 0;
        for (const Int n : all) total += n;
        return total;
      },
      {}, calls);
  const auto add = [](Ctx&, const Int& n) { return n + 1; };
  const auto looped = g.loop(
      "refine", sum, [&](Graph& in, Out<Int> state) { return in.node("fix", add, {}, state); },
      [](Ctx&, const Int& n) { return n >= 9; }, 100);
  const auto is_even = g.node(
      "even", [](Ctx&, const Int& n) { return n % 2 == 0; }, {}, looped);
  return *g.build(g.branch(
      "side", is_even, [&](Graph& in) { return in.node("more", add, {}, looped); },
      [&](Graph&) { return looped; }));
}

StatsBook collected() {
  StatsBook book;
  const Program<Int> program = sample_program();
  StatsCollector collector(book, program, "small");
  VirtualExecutor executor;
  Runtime runtime(executor);
  for (const std::vector<Int>& list : {std::vector<Int>{1, 2, 3}, std::vector<Int>{4}, {}}) {
    REQUIRE(runtime.run(program, Inputs().set("list", list), {.on_event = collector.observer()}));
  }
  return book;
}

TEST_CASE("a run's events become statistics: attempts, tokens, widths, iterations, sides") {
  const StatsBook book = collected();
  const NodeStats calls = book.find("call/call", "call", "small");
  CHECK(calls.trials == 6);  // 1, 1, 2, 3, 3, 4
  CHECK(calls.failures == 2);
  CHECK(calls.done.seen() == 4);
  CHECK(calls.quantile_of(&AttemptSample::seconds, 1) == Approx(4));
  CHECK(calls.quantile_of(&AttemptSample::prompt_tokens, 0) == 101);
  CHECK(book.find("call/call", "elsewhere").trials == 6);  // known from another place
  CHECK(book.find("call/call", "call", "large").trials == 0);

  const ControlStats* widths = book.find_control("call");
  REQUIRE(widths != nullptr);
  CHECK(widths->counts.items() == std::vector<Int>{3, 1, 0});
  // From 6, 4 and 0 to 9.
  CHECK(book.find_control("refine")->counts.items() == std::vector<Int>{3, 5, 9});
  CHECK(book.find_control("side")->yes == 0);
  CHECK(book.find_control("side")->no == 3);  // the side without a node
}

TEST_CASE("what a failed run left unfinished isn't counted in the next") {
  Graph g;
  const auto small = [](Ctx&, const Int& n) -> Result<Int> {
    if (n > 5) return Error{ErrorCode::kNetwork, "too large"};
    return n;
  };
  const auto program = *g.build(g.map("m", small, {}, g.input<std::vector<Int>>("list")));
  StatsBook book;
  StatsCollector collector(book, program);
  VirtualExecutor executor;
  Runtime runtime(executor);
  const RunOptions options{.on_event = collector.observer()};
  CHECK_FALSE(runtime.run(program, Inputs().set("list", std::vector<Int>{1, 2, 9}), options));
  CHECK(runtime.run(program, Inputs().set("list", std::vector<Int>{1}), options));
  CHECK(book.find_control("m")->counts.items() == std::vector<Int>{1});
  CHECK(book.find("m/m", "m").trials == 4);
}

/// Events as a run tells them; times in seconds.
struct Told {
  StatsCollector& collector;
  std::uint64_t seq = 0;
  void operator()(Event::Kind kind, const char* path, int attempt, int at, const Spend& spent = {},
                  const Error* error = nullptr) {
    collector.see({.seq = seq++,
                   .kind = kind,
                   .path = path,
                   .attempt = attempt,
                   .time = SteadyTime(std::chrono::seconds(at)),
                   .spent = spent,
                   .error = error});
  }
};

TEST_CASE("of a run that goes on, control nodes count if something inside of them has run") {
  StatsBook book;
  StatsCollector collector(book, sample_program(), "small");
  collector.goes_on();
  for (const bool is_fresh : {false, true}) {
    Told told{collector};
    told(Event::Kind::kRecalled, "call[0]", 1, 0);
    if (is_fresh) {
      told(Event::Kind::kStarted, "call[1]", 1, 1);
      told(Event::Kind::kDone, "call[1]", 1, 3);
    }
    told(Event::Kind::kDone, "call", 0, 3);
  }
  CHECK(book.find_control("call")->counts.items() == std::vector<Int>{2});
  CHECK(book.find("call/call", "call", "small").trials == 1);
}

TEST_CASE("a plan's steps are known, and forecast, as one node") {
  auto code = std::make_shared<Function>();
  code->inputs = {type_of<std::string>()};
  code->output = type_of<Int>();
  code->expand = [](Arguments) -> Result<std::shared_ptr<const Body>> {
    return Error{ErrorCode::kInternal, "not run here"};
  };
  Graph g;
  const auto program = *g.build(g.plan<Int>("work", code, g.input<std::string>("plan")));
  StatsBook book;
  StatsCollector collector(book, program);
  {
    Told told{collector};
    told(Event::Kind::kStarted, "work/a", 1, 1);
    told(Event::Kind::kStarted, "work/b", 1, 2);
    told(Event::Kind::kDone, "work/a", 1, 3, {.prompt_tokens = 10, .calls = 1});
    told(Event::Kind::kDone, "work/b", 1, 5, {.prompt_tokens = 20, .calls = 1});
    told(Event::Kind::kDone, "work", 0, 5);
  }
  const auto predicted = forecast(program, book, {}, {.samples = 20});
  REQUIRE(predicted);
  CHECK(predicted->unknown.empty());
  CHECK(predicted->seconds.p50 == Approx(4));
  CHECK(predicted->calls.mean == 2);
  CHECK(predicted->prompt_tokens.mean == 30);

  const Error refused{ErrorCode::kInvalidArgument, "no plan"};
  Told{collector}(Event::Kind::kFailed, "work", 0, 1, {}, &refused);
  const Error broken{ErrorCode::kNetwork, "no answer"};
  {
    Told told{collector};
    told(Event::Kind::kStarted, "work/a", 1, 1);
    told(Event::Kind::kFailed, "work/a", 1, 3, {.calls = 1}, &broken);
  }
  CHECK(book.find("work", "work").trials == 3);
  CHECK(book.find("work", "work").failures == 2);
}

TEST_CASE("statistics as text: a round trip, and what is refused") {
  StatsBook book = collected();
  book.engine("small") = {.prefill_tokens_per_s = 900, .step_seconds = {{1, 0.01}, {8, 0.03}}};
  book.node({.function = "call/call"}).judged.add_error(-0.5);
  book.add_run({.seconds = 2, .seconds_forecast = 1.5, .output_tokens = 7});
  book.judgement(100, 20, 3).judged = {.with_answer = 4, .right = 3};
  const auto read = StatsBook::from_json(book.json());
  REQUIRE(read);
  CHECK(*read == book);
  for (const char* bad : {"", "[]", "{}", R"({"format": 1, "nodes": [{"trials": -1}]})",
                          R"({"format": 1, "nodes": [{"trials": 1, "failures": 2}]})",
                          R"({"format": 1, "nodes": [{"done": {"seen": 1, "items": [[1, 2]]}}]})",
                          R"({"format": 1, "nodes": [{"judged": {"right": 1}}]})",
                          R"({"format": 1, "engines": {"m": {"step_seconds": [[0, 1]]}}})",
                          R"({"format": 1, "controls": {"m": {"yes": "often"}}})"}) {
    INFO(bad);
    CHECK_FALSE(StatsBook::from_json(bad));
  }
}

}  // namespace
}  // namespace weft::planner
