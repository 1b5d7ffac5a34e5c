#pragma once
// Two documents, a tiny model and a server that always says the same, to ask questions of.

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/answer_run.h"
#include "agents/answering_agent.h"
#include "agents/remote_answering_agent.h"
#include "base/net/curl_http_client.h"
#include "tests/fakes/loopback_server.h"
#include "tests/fakes/paragraphs.h"
#include "tests/fakes/temp_dir.h"
#include "tests/inference/temporary_model.h"

namespace weft::agents {

inline constexpr std::string_view kQuestion = "When did a probe land on the Moon?";

/// A remote model with the server that answers it, one token a word.
class ServedModel {
 public:
  explicit ServedModel(const std::string& text)
      : server_([reply = reply_of(text)](test::LoopbackServer::Connection& connection) {
          while (!connection.read_request().empty()) {
            if (!connection.write(reply)) return;
          }
        }) {
    const std::vector<std::string> allowed = {server_.allow_entry()};
    http_ = *net::CurlHttpClient::open(clock_, {.policy = *net::AddressPolicy::open(allowed)});
    inference::RemoteOptions options;
    options.url = server_.url("/v1");
    model_ =
        std::make_unique<inference::RemoteModel>(*http_, clock_, std::move(options), Random(1));
  }
  const inference::RemoteModel& operator*() const { return *model_; }

 private:
  static std::string reply_of(const std::string& text) {
    std::string body;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find(' ', begin + 1), text.size());
      const std::string word = text.substr(begin, end - begin);
      body += "data: {\"choices\":[{\"delta\":{\"content\":\"" + word +
              "\"},\"logprobs\":{\"content\":[{\"token\":\"" + word +
              "\",\"logprob\":-0.01}]}}]}\n\n";
      begin = end;
    }
    body += "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  SystemClock clock_;
  test::LoopbackServer server_;
  std::unique_ptr<net::HttpClient> http_;
  std::unique_ptr<inference::RemoteModel> model_;
};

struct Asking {
  test::TempDir folder;
  retrieval::CollectionStore store = filled();
  std::shared_ptr<const inference::Model> model = inference::tiny({.context_length = 2048});
  AnsweringAgent agent = AnsweringAgent::open(store, model, {.model_name = "tiny"}).value();
  std::string shown;

  Result<Answer> ask(AnswerOptions options, std::string_view question = kQuestion) {
    options.collection = "c";
    options.max_tokens = 6;
    return agent.ask(question, options, [this](std::string_view text) {
      shown += text;
      return true;
    });
  }
  LocalAnswerModel local_model() const {
    return LocalAnswerModel::open(model, {.context_length_max = 2048}, "tiny").value();
  }

 private:
  retrieval::CollectionStore filled() const {
    auto made = retrieval::CollectionStore::open(folder / "weft.db",
                                                 retrieval::CollectionStore::Mode::kWrite)
                    .value();
    REQUIRE(made.create_collection("c"));
    for (const auto& [source, text] :
         {std::pair("moon.md", "A probe landed on the Moon in 1969."),
          std::pair("mars.md", "Another probe landed on Mars in 1976.")}) {
      retrieval::NewDocument document{
          .root = "/docs", .source = source, .sha256 = "hash", .reader_version = "1"};
      document.extracted = test::plain_text(text);
      document.passages = test::paragraphs(document.extracted);
      REQUIRE(made.put_document("c", document));
    }
    return made;
  }
};

}  // namespace weft::agents
