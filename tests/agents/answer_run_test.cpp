// Recorded answers: shown node by node, made again to the bit, and reached by forgetting.

#include "agents/answer_run.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "agents/answer_graph.h"
#include "planner/runtime.h"
#include "planner/trace.h"
#include "planner/value_codec.h"
#include "tests/agents/asking.h"

namespace weft::agents {
namespace {

std::unique_ptr<planner::Trace> open_trace(const Asking& asking) {
  return planner::Trace::open(asking.folder / "runs.db", {}).value();
}

std::vector<std::string> paths(planner::Trace& trace, const std::string& run) {
  const auto events = trace.events(run);
  REQUIRE(events);
  std::vector<std::string> found;
  for (const auto& event : *events) found.push_back(event.path);
  return found;
}

/// All of it, as the bytes that a trace would keep.
std::vector<std::byte> bytes_of(const Answer& answer) {
  return planner::encode(planner::make_value(answer));
}

const std::vector<std::string> kNodes = {"retrieve", "reply/compose", "reply/question alone",
                                         "reply/answer", "cite"};

TEST_CASE("a recorded answer is made again to the bit, by a local model's run and a remote's") {
  Asking asking;
  const auto trace = open_trace(asking);
  const ServedModel server("In 1969");
  RemoteAnsweringAgent remote(asking.store, *server, {.model_name = "remote:big"});
  const std::vector<inference::ChatMessage> history = {{"user", "Hello?"}, {"assistant", "Yes"}};
  const AnswerOptions options{
      .threshold = 0, .history = history, .trace = trace.get(), .history_sources = {}};
  const Answer local = asking.ask(options).value();
  AnswerOptions remotely = options;
  remotely.collection = "c";
  const Answer served = remote.ask(kQuestion, remotely).value();
  REQUIRE(local.run != served.run);
  for (const Answer* answer : {&local, &served}) {
    CHECK(paths(*trace, answer->run) == kNodes);
    const auto again = replay_answer(*trace, answer->run);
    REQUIRE(again);
    CHECK(again->run == answer->run);
    CHECK(bytes_of(*again) == bytes_of(*answer));
  }
  const auto runs = trace->runs().value();
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].program_hash == runs[1].program_hash);
  const planner::TraceRun& run = runs[1];  // the local one
  CHECK(run.spent.prompt_tokens ==
        static_cast<std::int64_t>(local.usage.prompt_tokens + local.usage.probe_tokens));
  CHECK(run.spent.output_tokens == static_cast<std::int64_t>(local.usage.answer_tokens));
  const auto events = trace->events(local.run).value();
  CHECK(events[0].label == "retrieval");
  CHECK(events[3].label == "chat tiny");
  CHECK(trace->note(served.run, kModelNote).value() == "remote:big");
}

TEST_CASE("abstentions are made again as well, and so are failures") {
  Asking asking;
  const auto trace = open_trace(asking);
  const Answer withheld = asking.ask({.threshold = 1, .trace = trace.get()}).value();
  const Answer nothing = asking.ask({.trace = trace.get()}, "xyzzy plugh?").value();
  CHECK(paths(*trace, nothing.run) ==
        std::vector<std::string>{"retrieve", "reply/abstain", "cite"});
  for (const Answer* answer : {&withheld, &nothing}) {
    CHECK(answer->abstained);
    CHECK(bytes_of(replay_answer(*trace, answer->run).value()) == bytes_of(*answer));
  }
  const auto failed = asking.agent.ask(kQuestion, {.collection = "none", .trace = trace.get()});
  REQUIRE_FALSE(failed);
  const auto again = replay_answer(*trace, trace->runs().value().front().id);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == failed.error().code);
}

TEST_CASE("a prompt is recorded as spans that point at passages, whose text is kept once") {
  Asking asking;
  const auto trace = open_trace(asking);
  const Answer answer = asking.ask({.threshold = 0, .trace = trace.get()}).value();
  const auto value =
      planner::decode(*planner::type_of<ComposedPrompt>(), trace->value(answer.run, 1).value());
  REQUIRE(value);
  const auto& prompt = value->as<ComposedPrompt>();
  CHECK(prompt.passages == 2);
  CHECK(prompt.encoded == nullptr);
  std::vector<std::size_t> pointed;
  for (const PromptSpan& span : prompt.spans) {
    if (span.source == PromptSpan::Source::kPassage) pointed.push_back(span.index);
    CHECK(span.text.find("probe") == std::string::npos);
  }
  CHECK(pointed == std::vector<std::size_t>{0, 1});
  for (const std::int64_t seq : {1, 2, 3, 4}) {
    const auto bytes = trace->value(answer.run, seq).value();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    CHECK(text.find("A probe landed") == std::string::npos);
  }
}

TEST_CASE("a prompt from a trace is read as the one that was composed") {
  Asking asking;
  const auto trace = open_trace(asking);
  const Answer answer = asking.ask({.threshold = 0, .trace = trace.get()}).value();
  // A fork with another likelihood of the question answers anew, from the recorded prompt.
  LocalAnswerModel model = LocalAnswerModel::open(asking.model, {}, "tiny").value();
  const SystemClock clock;
  const inference::OnText nobody;
  const Listener listener{nobody, nobody, clock, clock.steady_now(), {}};
  const auto program =
      answer_program({.store = &asking.store, .model = &model, .listener = &listener});
  REQUIRE(program);
  planner::CallerExecutor executor;
  planner::Runtime runtime(executor);
  auto fork = runtime.fork_any(
      *program, answer.run,
      {.given = {{"reply/question alone",
                  planner::make_value(QuestionAlone{.tokens = 1000, .time = {}})}}},
      {.trace = trace.get()});
  REQUIRE(fork);
  const auto again = fork->wait_value();
  REQUIRE(again);
  CHECK(again->as<Answer>().text == answer.text);
  CHECK(again->as<Answer>().usage.prompt_tokens == answer.usage.prompt_tokens);
  CHECK(again->as<Answer>().usage.probe_tokens == 1000);
  CHECK_FALSE(again->as<Answer>().evidence.question_explained > 0);
  // Another model isn't taken for the one that the run began with.
  LocalAnswerModel narrow =
      LocalAnswerModel::open(asking.model, {.context_length_max = 1000}, "tiny").value();
  const auto other =
      answer_program({.store = &asking.store, .model = &narrow, .listener = &listener});
  auto refused =
      runtime.fork_any(*other, answer.run,
                       {.given = {{"reply/question alone",
                                   planner::make_value(QuestionAlone{.tokens = 1, .time = {}})}}},
                       {.trace = trace.get()});
  REQUIRE(refused);
  CHECK(refused->wait_value().error().code == ErrorCode::kConflict);
}

TEST_CASE("forgetting a document reaches the answers that it was found for, or that they follow") {
  Asking asking;
  const auto trace = open_trace(asking);
  const Answer answer = asking.ask({.threshold = 0, .trace = trace.get()}).value();
  // The next turn finds nothing itself, but what was said before may hold the document's words.
  const AnswerOptions follows{.history = {{"user", "Q"}, {"assistant", answer.text}},
                              .trace = trace.get(),
                              .history_sources = {"moon.md"}};
  const Answer next = asking.ask(follows, "xyzzy plugh?").value();
  const Answer other = asking.ask({.trace = trace.get()}, "xyzzy plugh?").value();
  CHECK(trace->forget("moon.md").value() == 2);
  for (const Answer* gone : {&answer, &next}) {
    const auto again = replay_answer(*trace, gone->run);
    REQUIRE_FALSE(again);
    CHECK(again.error().code == ErrorCode::kPermissionDenied);
    CHECK(again.error().message.find("redacted") != std::string::npos);
  }
  CHECK(replay_answer(*trace, other.run));
  CHECK(trace->run(answer.run)->spent.output_tokens > 0);  // what it took is no secret
}

TEST_CASE("an answer that was stopped is recorded with what there was") {
  Asking asking;
  const auto trace = open_trace(asking);
  const auto stopped =
      asking.agent.ask(kQuestion, {.collection = "c", .threshold = 0, .trace = trace.get()},
                       [](std::string_view) { return false; });
  REQUIRE(stopped);
  CHECK(stopped->finish_reason == inference::FinishReason::kCancelled);
  CHECK(bytes_of(replay_answer(*trace, stopped->run).value()) == bytes_of(*stopped));
}

}  // namespace
}  // namespace weft::agents
