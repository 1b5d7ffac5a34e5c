// What is forecast against what runs then do, all on virtual clocks; A10.

#include "planner/forecast.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <iostream>
#include <string>

#include "planner/graph.h"
#include "planner/stats_collector.h"

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Int = std::int64_t;

std::chrono::nanoseconds seconds(double s) {
  return std::chrono::nanoseconds(std::llround(s * 1e9));
}

/// Code that does as a call of a model does: takes a lognormal time, reads and writes tokens, fails
/// at times.
auto call(double median, double failure, Int prompt, Int output) {
  return [=](Ctx& ctx, const std::vector<Int>&) -> Result<Int> {
    WEFT_TRY_VOID(ctx.sleep_for(seconds(median * ctx.random().lognormal(0.5))));
    ctx.spend({.prompt_tokens = prompt, .output_tokens = output, .calls = 1});
    if (ctx.random().chance(failure)) return Error{ErrorCode::kNetwork, "no answer"};
    return 1;
  };
}

/// 8 to 20 such calls, each reading up to three earlier ones; what nobody reads is gathered.
Program<Int> random_graph(std::uint64_t seed) {
  Random random(seed);
  Graph g;
  const Int count = 8 + static_cast<Int>(random.below(13));
  std::vector<Out<Int>> made{g.input<Int>("n")};
  std::vector<bool> is_read{true};
  for (Int i = 0; i < count; ++i) {
    std::vector<Out<Int>> in;
    for (std::uint64_t r = 0, reads = 1 + random.below(3); r < reads; ++r) {
      const auto from = static_cast<std::size_t>(random.below(made.size()));
      in.push_back(made[from]);
      is_read[from] = true;
    }
    const auto prompt = static_cast<Int>(100 + random.below(400));
    const auto output = static_cast<Int>(10 + random.below(90));
    made.push_back(g.gather("call" + std::to_string(i),
                            call(0.5 + random.uniform(), 0.02 * random.uniform(), prompt, output),
                            {.lane = LaneKind::kModel}, in));
    is_read.push_back(false);
  }
  std::vector<Out<Int>> ends;
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (!is_read[i]) ends.push_back(made[i]);
  }
  const auto sum = [](Ctx&, const std::vector<Int>& all) { return static_cast<Int>(all.size()); };
  return *g.build(g.gather("end", sum, {}, ends));
}

struct Measured {
  std::vector<double> seconds;  // of runs that succeeded
  std::vector<Spend> spent;
  Int runs = 0;
};

/// `runs` runs with seeds from `seed`; their statistics go to the book, if there is one.
Measured run(const AnyProgram& program, const Inputs& inputs, const Machine& machine, Int runs,
             std::uint64_t seed, StatsBook* book = nullptr) {
  Measured measured;
  VirtualExecutor executor(machine.widths);
  Runtime runtime(executor);
  for (Int i = 0; i < runs; ++i) {
    RunOptions options{.seed = seed + static_cast<std::uint64_t>(i)};
    std::optional<StatsCollector> collector;
    if (book != nullptr) {
      collector.emplace(*book, program, machine.model);
      options.on_event = collector->observer();
    }
    auto one = runtime.run_any(program, inputs, options);
    REQUIRE(one);
    ++measured.runs;
    if (!one->wait_value()) continue;
    measured.seconds.push_back(std::chrono::duration<double>(one->report().duration).count());
    measured.spent.push_back(one->report().spent);
  }
  return measured;
}

TEST_CASE("A10: forecasts against runs of 20 graphs with simulated model calls") {
  std::vector<double> errors;
  int inside = 0;
  int exact = 0;
  double covered = 0;
  double all = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Program<Int> program = random_graph(seed);
    const Inputs inputs = Inputs().set<Int>("n", 1);
    const Machine machine{.widths = {1, 1024, 2 + seed % 3}, .model = "simulated"};
    StatsBook book;
    run(program, inputs, machine, 200, 10'000 * seed, &book);
    const auto predicted =
        forecast(program, book, machine, {.samples = 1000, .seed = seed, .inputs = inputs});
    REQUIRE(predicted);
    CHECK(predicted->unknown.empty());
    const Measured measured = run(program, inputs, machine, 200, 10'000 * seed + 5000);
    const double mean = spread_of(measured.seconds).mean;
    errors.push_back(std::abs(predicted->seconds.mean - mean) / mean);
    const double rate = double(measured.seconds.size()) / double(measured.runs);
    inside += predicted->success_of(measured.runs).contains(rate) ? 1 : 0;
    const Spend& spent = measured.spent.front();
    exact += predicted->prompt_tokens.mean == double(spent.prompt_tokens) &&
                     predicted->prompt_tokens.sd == 0 &&
                     predicted->output_tokens.mean == double(spent.output_tokens) &&
                     predicted->calls.mean == double(spent.calls)
                 ? 1
                 : 0;
    const Interval middle{predicted->seconds.p10, predicted->seconds.p90};
    for (const double s : measured.seconds) covered += middle.contains(s) ? 1 : 0;
    all += double(measured.seconds.size());
  }
  std::ranges::sort(errors);
  std::cout << "A10: makespan's median error " << 100 * quantile(errors, 0.5) << " %, worst "
            << 100 * errors.back() << " %; tokens and calls exact in " << exact
            << " of 20; success rate inside in " << inside << " of 20; the 80 % interval covers "
            << 100 * covered / all << " % of runs\n";
  CHECK(quantile(errors, 0.5) <= 0.05);
  CHECK(exact == 20);
  CHECK(inside >= 18);
  CHECK(covered / all >= 0.75);
  CHECK(covered / all <= 0.85);
}

/// A list of 2 to 6, a call each; a loop that ends with chance 0.4; a call on one side of a branch.
Program<Int> control_graph() {
  Graph g;
  const auto list = g.node(
      "split",
      [](Ctx& ctx, const Int&) {
        return std::vector<Int>(2 + static_cast<std::size_t>(ctx.random().below(5)));
      },
      {}, g.input<Int>("n"));
  const auto read = [](Ctx& ctx, const Int& n) -> Result<Int> {
    WEFT_TRY_VOID(ctx.sleep_for(seconds(0.5 + ctx.random().uniform())));
    ctx.spend({.prompt_tokens = 100, .output_tokens = 10, .calls = 1});
    return n;
  };
  const auto notes = g.map("read", read, {.lane = LaneKind::kModel}, list);
  const auto draft = g.node(
      "join", [](Ctx&, const std::vector<Int>& all) { return static_cast<Int>(all.size()); }, {},
      notes);
  const auto final = g.loop(
      "refine", draft,
      [&](Graph& in, Out<Int> state) {
        return in.node("fix", read, {.lane = LaneKind::kModel}, state);
      },
      [](Ctx& ctx, const Int&) { return ctx.random().chance(0.4); }, 20);
  const auto ask = g.node(
      "unsure", [](Ctx& ctx, const Int&) { return ctx.random().chance(0.3); }, {}, final);
  return *g.build(g.branch(
      "check", ask,
      [&](Graph& in) { return in.node("verify", read, {.lane = LaneKind::kModel}, final); },
      [&](Graph&) { return final; }));
}

TEST_CASE("widths, iterations and sides are drawn from earlier runs") {
  const Program<Int> program = control_graph();
  const Inputs inputs = Inputs().set<Int>("n", 1);
  const Machine machine{.widths = {1, 1024, 2}, .model = "simulated"};
  StatsBook book;
  run(program, inputs, machine, 400, 1, &book);
  const auto predicted = forecast(program, book, machine, {.samples = 2000, .inputs = inputs});
  REQUIRE(predicted);
  CHECK(predicted->unknown.empty());
  const Measured measured = run(program, inputs, machine, 2000, 50'000);
  std::vector<double> calls;
  for (const Spend& spent : measured.spent) calls.push_back(double(spent.calls));
  const Spread wanted = spread_of(calls);
  std::cout << "calls predicted " << predicted->calls.mean << " +- " << predicted->calls.sd
            << ", measured " << wanted.mean << " +- " << wanted.sd << "\n";
  // 4 elements + 2.5 iterations + 0.3 checks.
  CHECK(wanted.mean == Approx(6.8).margin(0.15));
  CHECK(predicted->calls.mean == Approx(wanted.mean).epsilon(0.04));
  CHECK(predicted->calls.sd == Approx(wanted.sd).epsilon(0.1));
  const Spread took = spread_of(measured.seconds);
  CHECK(predicted->seconds.mean == Approx(took.mean).epsilon(0.04));
  CHECK(predicted->seconds.p90 == Approx(took.p90).epsilon(0.06));
}

TEST_CASE("what nothing is known of is named, and its policy taken") {
  const Program<Int> program = control_graph();
  const auto predicted = forecast(program, {}, {}, {.samples = 50});
  REQUIRE(predicted);
  CHECK(predicted->success == 1);
  CHECK(predicted->success_of(10) == Interval{0, 1});
  const std::vector<std::string> named = predicted->unknown;
  for (const char* path : {"split", "read", "refine", "refine/until", "check", "check/verify"}) {
    CHECK(std::ranges::count(named, path) >= 1);
  }
  Graph g;
  const auto one = g.node(
      "one", [](Ctx&, const Int& n) { return n; },
      {.cost = {.prompt_tokens = 70, .calls = 1}, .expected = 3s}, g.input<Int>("n"));
  const auto guessed = forecast(*g.build(one), {}, {}, {.samples = 5});
  CHECK(guessed->seconds.p50 == Approx(3));
  CHECK(guessed->prompt_tokens.mean == 70);
}

TEST_CASE("a list too wide to be made is refused") {
  StatsBook book;
  book.control("read").counts.add(2'000'000);
  const auto refused = forecast(control_graph(), book, {}, {.samples = 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
}

TEST_CASE("budgets, timeouts and retries count in a forecast as they do in a run") {
  Graph g;
  const auto one = g.node(
      "one", [](Ctx&, const Int& n) { return n; },
      {.attempts = 3, .timeout = 2s, .cost = {.calls = 1}}, g.input<Int>("n"));
  const Program<Int> program = *g.build(one);
  StatsBook book;
  const NodeKey key{.function = "one", .path = "one"};
  for (int i = 0; i < 100; ++i) book.record(key, {.seconds = 1, .calls = 1}, i < 50);
  const auto tried = forecast(program, book, {}, {.samples = 4000});
  CHECK(tried->success == Approx(0.875).margin(0.02));        // 1 - 0.5^3
  CHECK(tried->calls.mean == Approx(11.0 / 7).margin(0.03));  // of those: (4 + 2 2 + 1 3) / 7
  CHECK(tried->failures.at("network") == 4000 - std::llround(tried->success * 4000));
  const auto poor = forecast(program, book, {}, {.samples = 4000, .limit = {.calls = 1}});
  CHECK(poor->success == Approx(0.5).margin(0.03));
  CHECK(poor->failures.at("resource_exhausted") > 0);

  StatsBook slow;
  for (int i = 0; i < 10; ++i) slow.record(key, {.seconds = i < 5 ? 1.0 : 10.0}, false);
  const auto late = forecast(program, slow, {}, {.samples = 2000, .timeout = 2500ms});
  CHECK(late->success < 0.9);
  CHECK(late->failures.contains("deadline_exceeded"));
}

TEST_CASE("the interval of success knows how few attempts the statistics are of") {
  // Five calls of one function, right with 0.9 each time: the true chance is 0.59.
  Graph g;
  auto out = g.input<std::vector<Int>>("list");
  const auto program = *g.build(g.map(
      "call", [](Ctx&, const Int& n) -> Result<Int> { return n; }, {}, out));
  const Inputs inputs = Inputs().set("list", std::vector<Int>(5));
  Random random(17);
  int held = 0;
  constexpr int kBooks = 100;
  for (int i = 0; i < kBooks; ++i) {
    StatsBook book;
    for (int t = 0; t < 100; ++t) {
      book.record({.function = "call/call", .path = "call"}, {}, random.chance(0.1));
    }
    const auto predicted =
        forecast(program, book, {},
                 {.samples = 300, .seed = static_cast<std::uint64_t>(i), .inputs = inputs});
    held += predicted->success_95.contains(std::pow(0.9, 5)) ? 1 : 0;
  }
  std::cout << "the 95 % interval of success holds the true chance in " << held << " of " << kBooks
            << " books\n";
  CHECK(held >= 89);
}

TEST_CASE("the result depends on the seed, not on the threads") {
  const Program<Int> program = control_graph();
  StatsBook book;
  const Inputs inputs = Inputs().set<Int>("n", 1);
  run(program, inputs, {}, 50, 1, &book);
  const auto one = forecast(program, book, {}, {.samples = 220, .inputs = inputs});
  const auto two = forecast(program, book, {}, {.samples = 220, .threads = 3, .inputs = inputs});
  const auto other = forecast(program, book, {}, {.samples = 220, .seed = 1, .inputs = inputs});
  CHECK(one->json() == two->json());
  CHECK(one->json() != other->json());
  CHECK(one->text().find("refine/fix") != std::string::npos);
}

TEST_CASE("the critical chain: the longer of two sides, then what follows") {
  Graph g;
  const auto wait = [](auto time) {
    return [time](Ctx& ctx, const Int& n) -> Result<Int> {
      WEFT_TRY_VOID(ctx.sleep_for(time));
      return n;
    };
  };
  const auto in = g.input<Int>("n");
  const auto left = g.node("left", wait(1s), {.lane = LaneKind::kIo}, in);
  const auto right = g.node("right", wait(3s), {.lane = LaneKind::kIo}, in);
  const auto both = g.node(
      "both",
      [](Ctx& ctx, const Int& a, const Int& b) -> Result<Int> {
        WEFT_TRY_VOID(ctx.sleep_for(1s));
        return a + b;
      },
      {}, left, right);
  const Program<Int> program = *g.build(both);
  StatsBook book;
  run(program, Inputs().set<Int>("n", 1), {}, 1, 1, &book);
  const auto predicted = forecast(program, book, {}, {.samples = 3});
  REQUIRE(predicted->nodes.size() == 3);
  CHECK(predicted->nodes[0].critical_share == 0);
  CHECK(predicted->nodes[1].critical_share == Approx(0.75));
  CHECK(predicted->nodes[2].critical_share == Approx(0.25));
}

TEST_CASE("calls in one engine share its steps") {
  // 4 calls read 100 tokens at 1,000 a second one after the other, and write 50 side by side.
  Graph g;
  const auto ask = [](Graph& in, Out<Int> element) {
    return in.async<Int>(
        "ask", [](Done<Int> done, const Int& n) { done(n); }, {.lane = LaneKind::kModel}, element);
  };
  const auto program = *g.build(g.map_each("m", g.input<std::vector<Int>>("list"), ask));
  StatsBook book;
  book.record({.function = "m/ask", .path = "m/ask", .model = "small"},
              {.seconds = 9, .prompt_tokens = 100, .output_tokens = 50, .calls = 1}, false);
  Machine machine{.model = "small", .price = {.prompt_micros = 2, .output_micros = 10}};
  const Inputs inputs = Inputs().set("list", std::vector<Int>(4));
  const auto alone = forecast(program, book, machine, {.samples = 2, .inputs = inputs});
  CHECK(alone->seconds.mean == Approx(9));  // as long as before, side by side
  CHECK(alone->money_micros.mean == 4 * 700);
  machine.engine = {.prefill_tokens_per_s = 1000, .step_seconds = {{1, 0.01}, {4, 0.016}}};
  const auto shared = forecast(program, book, machine, {.samples = 2, .inputs = inputs});
  CHECK(shared->seconds.mean == Approx(4 * 0.1 + 50 * 0.016));
  CHECK(shared->calls.mean == 4);
}

struct Opaque {};

}  // namespace

template <>
struct Codec<Opaque> {
  static constexpr const char* kName = "opaque";
  static void to_json(nlohmann::json&, const Opaque&) {}
  static Result<Opaque> from_json(const nlohmann::json&) {
    return Error{ErrorCode::kInvalidArgument, "never"};
  }
};

namespace {

TEST_CASE("a type that nothing can stand in for is named, unless a value is handed in") {
  Graph g;
  const auto made = g.node(
      "make", [](Ctx&, const Int&) { return Opaque(); }, {}, g.input<Int>("n"));
  const auto program = *g.build(made);
  const auto refused = forecast(program, {}, {}, {.samples = 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("node make: nothing can stand in for a opaque") == 0);
  CHECK(forecast(program, {}, {}, {.samples = 1, .stand_ins = {{"opaque", make_value(Opaque())}}}));
  CHECK_FALSE(forecast(program, {}, {}, {.inputs = Inputs().set<Int>("other", 1)}));
}

}  // namespace
}  // namespace weft::planner
