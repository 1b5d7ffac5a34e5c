// How long a text's words are: a graph of three nodes, one of which runs once a word, side by side.
// Run: graph "the quick brown fox"
#include <iostream>
#include <iterator>
#include <sstream>

#include "planner/graph.h"
#include "planner/runtime.h"

using namespace weft::planner;
std::vector<std::string> split(Ctx&, const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}
std::int64_t length(Ctx&, const std::string& word) {
  return static_cast<std::int64_t>(word.size());
}
double mean(Ctx&, const std::vector<std::int64_t>& lengths) {
  double sum = 0;
  for (const std::int64_t length : lengths) sum += static_cast<double>(length);
  return sum / static_cast<double>(lengths.size());
}

int main(int argc, char** argv) {
  Graph graph;
  const auto text = graph.input<std::string>("text");
  const auto words = graph.node("split", split, {}, text);
  const auto lengths = graph.map("length", length, {.timeout = std::chrono::seconds(1)}, words);
  const auto program = graph.build(graph.node("mean", mean, {}, lengths));

  weft::SystemTimers timers;
  weft::Lanes lanes({.cpu_threads = 2});
  ThreadExecutor executor(lanes, timers);
  Runtime runtime(executor);
  const auto inputs = Inputs().set<std::string>("text", argc > 1 ? argv[1] : "the quick brown fox");
  const auto found = program ? runtime.run(*program, inputs, {.timeout = std::chrono::seconds(5)})
                             : weft::Result<double>(program.error());
  if (!found) return std::cerr << found.error().message << "\n", 1;
  std::cout << *found << " letters a word\n" << program->mermaid();
}
