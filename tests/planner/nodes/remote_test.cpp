#include "planner/nodes/remote.h"

#include <catch2/catch.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "planner/graph.h"
#include "planner/graph_file.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Text = std::string;

/// Answers each request with a stream of "echo", and `usage` at its end.
class EchoServer final : public net::HttpClient {
 public:
  explicit EchoServer(std::string usage) : usage_(std::move(usage)) {}

  Result<net::HttpResponse> send(const net::HttpRequest& request) override {
    {
      const std::lock_guard lock(mutex_);
      bodies.push_back(request.body);
    }
    net::HttpResponse response;
    response.status = 200;
    response.headers = {{"Content-Type", "text/event-stream"}};
    WEFT_TRY_VOID(request.on_head(response));
    const Text body =
        R"(data: {"choices":[{"delta":{"content":"echo"},"finish_reason":"stop"}],"usage":)" +
        usage_ + "}\n\ndata: [DONE]\n\n";
    WEFT_TRY_VOID(request.on_data(std::as_bytes(std::span(body))));
    return response;
  }

  std::vector<Text> bodies;

 private:
  const Text usage_;
  std::mutex mutex_;
};

struct Fixture {
  explicit Fixture(Text usage = R"({"prompt_tokens":9,"completion_tokens":2})")
      : server(std::move(usage)) {}

  EchoServer server;
  SystemClock clock;
  inference::RemoteModel model{server, clock, {.url = "http://test/v1"}, Random(1)};
  RemoteNodes nodes{model, "remote:test", Price{.prompt_micros = 2, .output_micros = 3}};
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};

  /// A graph whose result is its node "x".
  static Text file(const Text& nodes) {
    return R"({"format": "weft-graph-1", "inputs": [{"name": "text"}], "result": "x", "nodes": )" +
           nodes + "}";
  }
  AnyRun run(const Text& nodes_json) {
    GraphParts parts;
    parts.model = &nodes;
    const auto graph = load_graph(file(nodes_json), parts);
    INFO((graph ? "" : graph.error().message));
    REQUIRE(graph);
    Inputs inputs;
    inputs.set("text", Text("a"));
    auto run = runtime.start_any(graph->program, inputs, {});
    REQUIRE(run);
    return *std::move(run);
  }
};

TEST_CASE("llm nodes ask a remote model, and what it counts is spent") {
  Fixture fixture;
  AnyRun run = fixture.run(
      R"([{"name": "said", "kind": "llm", "system": "s", "prompt": "Say {{text}}", "samples": 2,
           "temperature": 1, "seed": 5},
          {"name": "x", "kind": "join", "inputs": ["said"]}])");
  const auto value = run.wait_value();
  REQUIRE(value);
  CHECK(value->as<Text>() == "echo\necho");
  CHECK(run.report().spent.prompt_tokens == 18);
  CHECK(run.report().spent.output_tokens == 4);
  CHECK(run.report().spent.calls == 2);
  CHECK(run.report().spent.money_micros == 2 * 18 + 3 * 4);
  REQUIRE(fixture.server.bodies.size() == 2);
  CHECK(fixture.server.bodies[0].find(R"("content":"Say a")") != Text::npos);
  CHECK(fixture.server.bodies[0].find(R"("role":"system","content":"s")") != Text::npos);
  CHECK(fixture.server.bodies[0].find(R"("seed":5)") != Text::npos);
  CHECK(fixture.server.bodies[1].find(R"("seed":6)") != Text::npos);
}

TEST_CASE("where the server counts nothing, all that was set aside is spent") {
  Fixture fixture("null");
  AnyRun run = fixture.run(R"([{"name": "x", "kind": "llm", "prompt": "{{text}}",
                                "prompt_tokens_max": 40, "max_tokens": 30}])");
  REQUIRE(run.wait_value());
  CHECK(run.report().spent.prompt_tokens == 40);
  CHECK(run.report().spent.output_tokens == 30);
  CHECK(run.report().spent.money_micros == 2 * 40 + 3 * 30);
}

TEST_CASE("a prompt beyond its limit, raw inputs and scores are refused") {
  Fixture fixture;
  AnyRun longer = fixture.run(
      R"([{"name": "x", "kind": "llm", "prompt": "{{text}}", "prompt_tokens_max": 8}])");
  const auto failed = longer.wait_value();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kResourceExhausted);
  CHECK(longer.report().spent.calls == 1);
  AnyRun raw = fixture.run(R"([{"name": "x", "kind": "llm", "prompt": "{{text}}", "raw": true}])");
  const auto refused = raw.wait_value();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnsupported);
  GraphParts parts;
  parts.model = &fixture.nodes;
  const auto scores =
      load_graph(Fixture::file(R"([{"name": "o", "kind": "split_lines", "inputs": ["text"]},
                        {"name": "x", "kind": "score", "inputs": ["text", "o"]}])"),
                 parts);
  REQUIRE_FALSE(scores);
  CHECK(scores.error().code == ErrorCode::kUnsupported);
  CHECK(scores.error().message.find("node x") != Text::npos);
}

}  // namespace
}  // namespace weft::planner
