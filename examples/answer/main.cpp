// Answers a question from an indexed collection, streaming, with citations.
// Run: answer WEFT.DB COLLECTION MODEL.gguf "QUESTION"
#include <iostream>

#include "agents/answering_agent.h"

int main(int argc, char** argv) {
  if (argc != 5) return std::cerr << "usage: answer WEFT.DB COLLECTION MODEL QUESTION\n", 2;
  const auto run = [&]() -> weft::Result<void> {
    WEFT_TRY(store, weft::retrieval::CollectionStore::open(
                        argv[1], weft::retrieval::CollectionStore::Mode::kRead));
    WEFT_TRY(backend, weft::inference::open_backend());  // this CPU, a thread a core
    WEFT_TRY(model, weft::inference::Model::load(argv[3], *backend));
    weft::SystemClock clock;
    weft::StreamLogger log(std::cerr, clock, {});
    WEFT_TRY(agent, weft::agents::AnsweringAgent::open(store, model, {.log = &log}));
    std::stop_source stop;  // stop.request_stop() from any thread ends the answer early
    WEFT_TRY(answer, agent.ask(argv[4], {.collection = argv[2], .stop = stop.get_token()},
                               [](std::string_view text) { return !!(std::cout << text << std::flush); }));
    for (const auto& cited : answer.citations)
      std::cout << "\n[" << cited.n << "] " << cited.source << " " << cited.start << "-" << cited.end;
    std::cout << "\n";
    return {};
  };
  const auto done = run();
  if (!done) std::cerr << done.error().message << "\n";
  return done ? 0 : 1;
}
