// Runs that are recorded: resumed, replayed, forked, forgotten; A12, A15, A24.

#include "planner/trace.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/lanes.h"
#include "planner/graph.h"
#include "planner/runtime.h"
#include "planner/value_codec.h"
#include "storage/database.h"
#include "tests/fakes/growing_state.h"
#include "tests/fakes/temp_dir.h"

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Int = std::int64_t;
using Ints = std::vector<Int>;
using Kind = TraceEvent::Kind;

struct Fixture {
  explicit Fixture(std::size_t threads = 2)
      : lanes(Lanes::Options{.cpu_threads = threads, .queue_max = 100'000}) {}

  std::unique_ptr<Trace> open() { return *Trace::open(folder.path() / "trace.db", {}); }
  /// Begins a recorded run with the input n.
  template <typename T>
  Result<Run<T>> start(const Program<T>& program, Int n, const std::unique_ptr<Trace>& trace) {
    return runtime.start(program, Inputs().set<Int>("n", n), {.trace = trace.get()});
  }

  test::TempDir folder;
  SystemTimers timers;
  Lanes lanes;
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
};

/// How often each node was called.
struct Calls {
  std::map<std::string, std::atomic<int>> count;
  int operator[](const std::string& name) { return count[name]; }
};

/// n -> add -> square -> (fails while `broken`) last.
Program<Int> chain(Calls& calls, const std::atomic<bool>& broken, int version = 1,
                   Effect last = Effect::kPure) {
  for (const char* name : {"add", "square", "last", "once"}) calls.count[name];
  Graph g;
  const auto n = g.input<Int>("n");
  const auto added = g.node(
      "add",
      [&](Ctx&, const Int& x) {
        ++calls.count["add"];
        return x + 1;
      },
      {.cost = {.calls = 1}}, n);
  const auto squared = g.node(
      "square",
      [&, version](Ctx& ctx, const Int& x) {
        ++calls.count["square"];
        ctx.cite("doc/1.txt");
        return x * x + version - 1;
      },
      {.version = version}, added);
  const auto result = g.node(
      "last",
      [&](Ctx&, const Int& x) -> Result<Int> {
        ++calls.count["last"];
        if (broken) return Error{ErrorCode::kNetwork, "no answer"};
        return x + 100;
      },
      {.effect = last}, squared);
  return *g.build(result);
}

TEST_CASE("a failed run goes on where it failed") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = true;
  const auto program = chain(calls, broken);
  const auto trace = f.open();
  auto run = f.start(program, 4, trace);
  REQUIRE(run);
  const std::string id = run->id();
  CHECK(run->wait().error().message == "node last: no answer");
  CHECK(trace->run(id)->status == RunStatus::kFailed);

  broken = false;
  auto again = f.runtime.resume(program, id, {}, {.trace = trace.get()});
  REQUIRE(again);
  CHECK(*again->wait() == 125);
  CHECK(again->report().recalled == 2);
  CHECK(again->report().spent.calls == 1);  // what was spent before counts
  CHECK(calls["add"] == 1);
  CHECK(calls["square"] == 1);
  CHECK(calls["last"] == 2);
  const auto done = trace->run(id);
  CHECK(done->status == RunStatus::kDone);
  CHECK(done->nodes == 3);
  CHECK(done->spent.calls == 1);
  // A run that is done isn't resumed.
  CHECK(f.runtime.resume_any(program, id, {}, {.trace = trace.get()}).error().code ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("what failed attempts have spent counts in the run that goes on") {
  Fixture f;
  std::atomic<int> calls = 0;
  Graph g;
  const auto program = g.build(g.node(
      "model",
      [&](Ctx& ctx, const Int& n) -> Result<Int> {
        ctx.spend({.prompt_tokens = 10, .calls = 1, .cached_tokens = 4});
        if (++calls < 4) return Error{ErrorCode::kNetwork, "no answer"};
        return n;
      },
      {.attempts = 2, .cost = {.prompt_tokens = 10, .calls = 1}}, g.input<Int>("n")));
  REQUIRE(program);
  const auto trace = f.open();
  auto run = f.start(*program, 1, trace);
  REQUIRE_FALSE(run->wait());
  CHECK(run->report().spent.calls == 2);
  auto stingy =
      f.runtime.resume(*program, run->id(), {}, {.limit = {.calls = 2}, .trace = trace.get()});
  CHECK(stingy->wait().error().code == ErrorCode::kResourceExhausted);
  CHECK(calls == 2);
  auto again = f.runtime.resume(*program, run->id(), {}, {.trace = trace.get()});
  CHECK(*again->wait() == 1);
  CHECK(again->report().spent.calls == 4);
  CHECK(trace->run(run->id())->spent.prompt_tokens == 40);
  CHECK(trace->run(run->id())->spent.cached_tokens == 16);
}

TEST_CASE("a trace of before cached tokens were counted is read, and added to") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = false;
  const auto program = chain(calls, broken);
  std::string id;
  {
    const auto trace = f.open();
    auto run = f.start(program, 4, trace);
    id = run->id();
    REQUIRE(run->wait());
  }
  {
    auto database = storage::Database::open(f.folder.path() / "trace.db",
                                            {.mode = storage::Database::Mode::kReadWrite})
                        .value();
    REQUIRE(database.execute("ALTER TABLE event DROP COLUMN cached_tokens"));
    REQUIRE(database.execute("PRAGMA user_version=1"));
  }
  const auto trace = f.open();
  CHECK(trace->events(id)->size() == 3);
  CHECK(trace->run(id)->spent.calls == 1);
  auto run = f.start(program, 5, trace);
  CHECK(*run->wait() == 136);
}

TEST_CASE("a replay makes the same values and calls nothing") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = false;
  const auto program = chain(calls, broken);
  std::string id;
  {
    const auto trace = f.open();
    auto run = f.start(program, 4, trace);
    id = run->id();
    CHECK(*run->wait() == 125);
  }
  broken = true;
  const auto trace = f.open();
  const auto events = trace->events(id)->size();
  auto replayed = f.runtime.replay_any(program, id, {.trace = trace.get()});
  REQUIRE(replayed);
  CHECK(replayed->wait_value()->as<Int>() == 125);
  CHECK(calls["add"] + calls["square"] + calls["last"] == 3);
  CHECK(trace->events(id)->size() == events);
  // So does one of a run that failed: with its error.
  auto failing = f.start(program, 5, trace);
  CHECK_FALSE(failing->wait());
  auto failed = f.runtime.replay_any(program, failing->id(), {.trace = trace.get()});
  CHECK(failed->wait_value().error().message == "node last: no answer");
  CHECK(calls["last"] == 2);
}

TEST_CASE(
    "another program doesn't replay a run, but forks it: what changed and what follows runs") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = false;
  const auto trace = f.open();
  auto run = f.start(chain(calls, broken), 4, trace);
  const std::string id = run->id();
  REQUIRE(run->wait());
  const auto changed = chain(calls, broken, 2);
  CHECK(f.runtime.replay_any(changed, id, {.trace = trace.get()}).error().code ==
        ErrorCode::kConflict);
  auto fork = f.runtime.fork_any(changed, id, {}, {.trace = trace.get()});
  REQUIRE(fork);
  CHECK(fork->wait_value()->as<Int>() == 126);
  CHECK(calls["add"] == 1);
  CHECK(calls["square"] == 2);
  CHECK(calls["last"] == 2);
  CHECK(trace->run(fork->id())->parent == id);
  // The fork stands on its own.
  auto replayed = f.runtime.replay_any(changed, fork->id(), {.trace = trace.get()});
  CHECK(replayed->wait_value()->as<Int>() == 126);
}

TEST_CASE("a fork with another value runs that value's descendants alone") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = false;
  const auto program = chain(calls, broken);
  const auto trace = f.open();
  auto run = f.start(program, 4, trace);
  REQUIRE(run->wait());
  auto fork = f.runtime.fork_any(program, run->id(), {.given = {{"square", make_value<Int>(7)}}},
                                 {.trace = trace.get()});
  CHECK(fork->wait_value()->as<Int>() == 107);
  CHECK(calls["add"] == 1);
  CHECK(calls["square"] == 1);
  CHECK(calls["last"] == 2);
  auto wrong = f.runtime.fork_any(
      program, run->id(), {.given = {{"square", make_value<bool>(true)}}}, {.trace = trace.get()});
  CHECK(wrong->wait_value().error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a function with another fingerprint is a divergence that names its node") {
  Fixture f;
  const auto program = [](const std::string& fingerprint) {
    auto code = std::make_shared<Function>();
    code->inputs = {type_of<Int>()};
    code->output = type_of<Int>();
    code->fingerprint = fingerprint;
    code->run = [](Ctx&, Arguments in) -> Result<Value> {
      return make_value<Int>(in[0]->as<Int>() + 1);
    };
    Graph g;
    return *g.build(g.call<Int>("model", code, {}, g.input<Int>("n")));
  };
  const auto trace = f.open();
  auto run =
      f.runtime.start(program("weights 1"), Inputs().set<Int>("n", 1), {.trace = trace.get()});
  REQUIRE(run->wait());
  auto replayed = f.runtime.replay_any(program("weights 2"), run->id(), {.trace = trace.get()});
  const auto value = replayed->wait_value();
  CHECK(value.error().code == ErrorCode::kConflict);
  CHECK(value.error().message.find("node model: ") == 0);
}

TEST_CASE("a call that may be made once and whose end nobody saw is a person's decision") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = true;
  const auto program = chain(calls, broken, 1, Effect::kOnce);
  const auto trace = f.open();
  auto run = f.start(program, 4, trace);
  REQUIRE_FALSE(run->wait());
  broken = false;
  const auto resume = [&](const Resumption& resumption) {
    return f.runtime.resume_any(program, run->id(), resumption, {.trace = trace.get()})
        ->wait_value();
  };
  for (int i = 0; i < 2; ++i) {
    const auto refused = resume({});
    CHECK(refused.error().code == ErrorCode::kConflict);
    CHECK(refused.error().message.find("node last: it may be called once, it was, and it failed: "
                                       "no answer") == 0);
  }
  CHECK(calls["last"] == 1);
  SECTION("its value is known") {
    CHECK(resume({.given = {{"last", make_value<Int>(9)}}})->as<Int>() == 9);
    CHECK(calls["last"] == 1);
  }
  SECTION("it may be called again") {
    CHECK(resume({.redo = {"last"}})->as<Int>() == 125);
    CHECK(calls["last"] == 2);
  }
}

TEST_CASE("elements that a collecting map does without are missing again") {
  Fixture f;
  std::atomic<int> calls = 0;
  std::atomic<bool> broken = true;
  Graph g;
  const auto parts = g.collect(
      "part",
      [&](Ctx&, const Int& n) -> Result<Int> {
        ++calls;
        if (n == 2) return Error{ErrorCode::kNetwork, "no answer"};
        return n * 10;
      },
      {}, g.input<Ints>("list"));
  const auto sum = g.node(
      "sum",
      [&](Ctx&, const Partial<Int>& p) -> Result<Int> {
        if (broken) return Error{ErrorCode::kIo, "later"};
        Int total = 0;
        for (const Int n : p.values) total += n;
        return total + static_cast<Int>(p.missing.size()) * 1000;
      },
      {}, parts);
  const auto program = g.build(sum);
  const auto trace = f.open();
  auto run =
      f.runtime.start(*program, Inputs().set<Ints>("list", {1, 2, 3}), {.trace = trace.get()});
  REQUIRE_FALSE(run->wait());
  broken = false;
  auto again = f.runtime.resume(*program, run->id(), {}, {.trace = trace.get()});
  CHECK(*again->wait() == 1040);
  CHECK(calls == 3);
}

TEST_CASE("A24: a run that asks ends, and another process's answers finish it in either order") {
  std::atomic<int> before = 0;
  std::atomic<int> after = 0;
  const auto make = [&] {
    Graph g;
    const auto question = g.node(
        "question",
        [&](Ctx&, const std::string& what) {
          ++before;
          return what + "?";
        },
        {}, g.input<std::string>("what"));
    const auto left = g.ask<std::string>("left", question);
    const auto right = g.ask<Int>("right", question);
    return *g.build(g.node(
        "join",
        [&](Ctx&, const std::string& l, const Int& r) {
          ++after;
          return l + std::to_string(r);
        },
        {}, left, right));
  };
  for (const bool left_first : {true, false}) {
    before = after = 0;
    test::TempDir folder;
    const auto path = folder.path() / "trace.db";
    std::string id;
    {
      Fixture f;
      const auto trace = *Trace::open(path, {});
      auto run = f.runtime.start(make(), Inputs().set<std::string>("what", "how many"),
                                 {.trace = trace.get()});
      id = run->id();
      CHECK(run->wait().error().code == ErrorCode::kSuspended);
      const auto open = run->questions();
      REQUIRE(open.size() == 2);
      CHECK(open[0].path == "left");
      CHECK(open[0].text == "how many?");
      CHECK(open[1].type == type_of<Int>());
      CHECK(trace->run(id)->status == RunStatus::kSuspended);
    }
    Fixture f;
    const auto trace = *Trace::open(path, {});
    const std::pair<const std::string, Value> left{"left", make_value<std::string>("n=")};
    const std::pair<const std::string, Value> right{"right", make_value<Int>(3)};
    auto first = f.runtime.resume(make(), id, {.given = {left_first ? left : right}},
                                  {.trace = trace.get()});
    CHECK(first->wait().error().code == ErrorCode::kSuspended);
    CHECK(first->questions().size() == 1);
    auto second = f.runtime.resume(make(), id, {.given = {left_first ? right : left}},
                                   {.trace = trace.get()});
    CHECK(*second->wait() == "n=3");
    CHECK(before == 1);
    CHECK(after == 1);
    CHECK(
        f.runtime.replay_any(make(), id, {.trace = trace.get()})->wait_value()->as<std::string>() ==
        "n=3");
    std::cout << "A24: answered " << (left_first ? "left" : "right") << " first: " << before
              << " node before and " << after << " after ran once\n";
  }
}

TEST_CASE("without a trace a run waits for its answers") {
  Fixture f;
  Graph g;
  const auto program = g.build(g.ask<Int>("age", g.input<std::string>("question")));
  std::atomic<bool> asked = false;
  auto run = f.runtime.start(*program, Inputs().set<std::string>("question", "How old?"),
                             {.on_event = [&](const Event& event) {
                               if (event.kind == Event::Kind::kAsked) asked = true;
                             }});
  CHECK(asked);
  CHECK(run->answer("name", make_value<Int>(1)).error().code == ErrorCode::kNotFound);
  CHECK(run->answer("age", make_value<bool>(true)).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(run->answer("age", make_value<Int>(41)));
  CHECK(*run->wait() == 41);
}

TEST_CASE("A12: keys and values don't depend on threads") {
  const auto make = [] {
    Graph g;
    const auto squares = g.map(
        "square",
        [](Ctx& ctx, const Int& n) { return n * n + static_cast<Int>(ctx.random().below(5)); }, {},
        g.input<Ints>("list"));
    const auto grown = g.loop(
        "grow", squares,
        [](Graph& inside, Out<Ints> state) {
          return inside.node(
              "append",
              [](Ctx&, const Ints& list) {
                Ints more = list;
                more.push_back(list.back() + 1);
                return more;
              },
              {}, state);
        },
        3);
    return *g.build(grown);
  };
  std::map<std::string, std::pair<Digest, Digest>> first;
  int replays = 0;
  for (const std::size_t threads : {1, 2, 8}) {
    Fixture f(threads);
    const auto trace = f.open();
    auto run = f.runtime.start(make(), Inputs().set<Ints>("list", {1, 2, 3, 4, 5, 6, 7, 8}),
                               {.seed = 7, .trace = trace.get()});
    const auto value = run->wait();
    REQUIRE(value);
    std::map<std::string, std::pair<Digest, Digest>> nodes;
    const auto events = trace->events(run->id());
    REQUIRE(events);
    for (const TraceEvent& event : *events) {
      if (event.kind == Kind::kDone) nodes[event.path] = {event.key, event.digest};
    }
    CHECK(nodes.size() == 11);
    if (first.empty()) first = nodes;
    CHECK(nodes == first);
    for (int i = 0; i < 34; ++i) {
      const auto replayed =
          f.runtime.replay_any(make(), run->id(), {.trace = trace.get()})->wait_value();
      REQUIRE(replayed);
      REQUIRE(replayed->as<Ints>() == *value);
      ++replays;
    }
  }
  std::cout << "A12: " << first.size() << " keys and values are the same on 1, 2 and 8 threads; "
            << replays << " replays gave the same\n";
}

TEST_CASE("A15: a state that grows by 200 pieces of 256 bytes takes at most 120 KB") {
  Fixture f;
  using test::Texts;
  const auto program = test::growing_state();
  REQUIRE(program);
  std::string id;
  {
    const auto trace = f.open();
    auto run = f.runtime.start(*program, Inputs().set<Texts>("state", {}), {.trace = trace.get()});
    id = run->id();
    CHECK(run->wait()->size() == 200);
  }
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(f.folder.path())) {
    bytes += file.file_size();
  }
  std::cout << "A15: " << bytes << " bytes for 51,200 bytes of values\n";
  CHECK(bytes <= 120'000);
  const auto trace = f.open();
  const auto again = f.runtime.replay_any(*program, id, {.trace = trace.get()})->wait_value();
  REQUIRE(again);
  CHECK(again->as<Texts>().size() == 200);
  CHECK(again->as<Texts>()[199] == std::string(250, 'x') + "100199");
}

TEST_CASE("a forgotten document's runs keep their costs and lose their values") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = false;
  const auto program = chain(calls, broken);
  const auto trace = f.open();
  auto run = f.start(program, 4, trace);
  const std::string id = run->id();
  REQUIRE(run->wait());
  CHECK(trace->value(id, 0));
  CHECK(*trace->forget("doc/2.txt") == 0);
  CHECK(*trace->forget("doc/1.txt") == 1);
  CHECK(trace->run(id)->is_redacted);
  CHECK(trace->run(id)->spent.calls == 1);
  CHECK(trace->value(id, 0).error().code == ErrorCode::kPermissionDenied);
  const auto replayed = f.runtime.replay_any(program, id, {.trace = trace.get()});
  CHECK(replayed.error().code == ErrorCode::kPermissionDenied);
  CHECK(replayed.error().message.find("redacted") != std::string::npos);
}

TEST_CASE("forgetting reaches forks, and runs whose inputs were made from the document") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = false;
  const auto program = chain(calls, broken);
  const auto trace = f.open();
  auto run = f.start(program, 4, trace);
  REQUIRE(run->wait());
  auto fork = f.runtime.fork_any(program, run->id(), {}, {.trace = trace.get()});
  REQUIRE(fork->wait_value());
  broken = true;  // before its first node could say what it was made from
  auto failed = f.runtime.start(program, Inputs().set("n", Int{4}),
                                {.trace = trace.get(), .documents = {"doc/1.txt", "doc/2.txt"}});
  REQUIRE_FALSE(failed->wait());
  CHECK(*trace->forget("doc/1.txt") == 3);
  CHECK(*trace->forget("doc/2.txt") == 0);
  for (const std::string& id : {run->id(), fork->id(), failed->id()}) {
    CHECK(trace->run(id)->is_redacted);
  }
}

TEST_CASE("garbage is what ended before a time; runs are found by a beginning of their id") {
  Fixture f;
  Calls calls;
  std::atomic<bool> broken = false;
  const auto program = chain(calls, broken);
  const auto trace = f.open();
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    auto run = f.start(program, i, trace);
    ids.push_back(run->id());
    REQUIRE(run->wait());
  }
  CHECK(trace->runs()->size() == 3);
  CHECK(trace->runs()->front().id == ids[2]);
  CHECK(trace->run(ids[1])->id == ids[1]);
  CHECK(trace->run("nothing").error().code == ErrorCode::kNotFound);
  CHECK(trace->run("2").error().code == ErrorCode::kInvalidArgument);
  REQUIRE(trace->set_note(ids[0], "file", "graph.json"));
  CHECK(trace->note(ids[0], "file")->value() == "graph.json");
  CHECK_FALSE(trace->note(ids[1], "file")->has_value());
  CHECK(*trace->program(ids[0]) == program.json());
  CHECK(*trace->collect_garbage(f.timers.clock().unix_now() - 1h) == 0);
  CHECK(*trace->collect_garbage(f.timers.clock().unix_now() + 1h) == 3);
  CHECK(trace->runs()->empty());
}

TEST_CASE("a run whose trace can't be written ends before it calls what it may call once") {
  Fixture f;
  std::atomic<int> payments = 0;
  const auto path = f.folder.path() / "trace.db";
  Graph g;
  const auto broken = g.node(
      "break",
      [&](Ctx&, const Int& n) -> Result<Int> {
        WEFT_TRY(other, storage::Database::open(path, {storage::Database::Mode::kReadWrite}));
        WEFT_TRY_VOID(other.execute("DROP TABLE event"));
        return n;
      },
      {}, g.input<Int>("n"));
  const auto program = g.build(g.node(
      "pay",
      [&](Ctx&, const Int& n) {
        ++payments;
        return n;
      },
      {.effect = Effect::kOnce}, broken));
  REQUIRE(program);
  const auto trace = f.open();
  auto run = f.start(*program, 1, trace);
  REQUIRE(run);
  const auto ended = run->wait();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().message.find("the trace can't be written") != std::string::npos);
  CHECK(payments == 0);
}

TEST_CASE("two at once don't work on one run") {
  Fixture f;
  Graph g;
  const auto program = g.build(g.ask<Int>("age", g.input<std::string>("question")));
  const auto trace = f.open();
  auto run =
      f.runtime.start(*program, Inputs().set<std::string>("question", "?"), {.trace = trace.get()});
  CHECK(run->wait().error().code == ErrorCode::kSuspended);
  const auto other = f.open();
  std::atomic<bool> go = false;
  Graph slow;
  const auto waits = slow.build(slow.node(
      "wait",
      [&](Ctx& ctx, const Int& n) {
        while (!go) (void)ctx.sleep_for(1ms);
        return n;
      },
      {}, slow.input<Int>("n")));
  auto busy = f.start(*waits, 1, trace);
  CHECK(f.runtime.resume_any(*waits, busy->id(), {}, {.trace = other.get()}).error().code ==
        ErrorCode::kConflict);
  CHECK(other->run(busy->id())->status == RunStatus::kRunning);
  go = true;
  CHECK(*busy->wait() == 1);
}

TEST_CASE("values of every type come back from their bytes") {
  const auto round = [](const Value& value) { return decode(*value.type(), encode(value)); };
  CHECK(round(make_value<bool>(true))->as<bool>());
  CHECK(round(make_value<Int>(-5))->as<Int>() == -5);
  CHECK(round(make_value<double>(0.1))->as<double>() == 0.1);
  CHECK(
      std::isinf(round(make_value<double>(std::numeric_limits<double>::infinity()))->as<double>()));
  CHECK(round(make_value<std::string>("a\xff\0b"))->as<std::string>() == "a\xff\0b");
  CHECK(round(make_value<Ints>({1, 2}))->as<Ints>() == Ints{1, 2});
  const Partial<Int> partial{
      .indices = {0, 2}, .values = {7, 9}, .missing = {{1, ErrorCode::kNetwork, "no answer"}}};
  CHECK(round(make_value<Partial<Int>>(partial))->as<Partial<Int>>() == partial);
  const auto bytes = encode(make_value<std::string>("text"));
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    CHECK(decode(*type_of<std::string>(), std::span(bytes).first(cut)).error().code ==
          ErrorCode::kCorrupt);
  }
  CHECK(decode(*type_of<Int>(), bytes).error().code == ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace weft::planner
