#include "cli/graph_progress.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;
using Kind = planner::Event::Kind;

/// The path without the numbers of elements and iterations.
std::string node_of(const std::string& path) {
  std::string node;
  bool is_number = false;
  for (const char c : path) {
    is_number = c == '[' || (is_number && c != ']');
    if (!is_number && c != ']') node += c;
  }
  return node;
}

std::string line_of(const planner::Event& event, double seconds) {
  const auto depth =
      static_cast<std::size_t>(std::count(event.path.begin(), event.path.end(), '/'));
  std::string line(2 * depth, ' ');
  line += event.kind == Kind::kFailed ? "- " : event.kind == Kind::kAsked ? "? " : "+ ";
  line += event.path;
  if (event.kind == Kind::kRecalled) return line + "  recorded";
  if (event.kind == Kind::kAsked) return line;
  line += "  " + human_duration(seconds);
  if (event.spent.output_tokens > 0) line += "  " + tokens_text(event.spent);
  if (event.kind == Kind::kRetried) line += "  tried again: ";
  if (event.kind == Kind::kFailed) line += "  ";
  if (event.error != nullptr) line += event.error->message;
  return line;
}

}  // namespace

Json spend_json(const Spend& spent) {
  return {{"prompt_tokens", spent.prompt_tokens},
          {"cached_tokens", spent.cached_tokens},
          {"output_tokens", spent.output_tokens},
          {"calls", spent.calls},
          {"money_micros", spent.money_micros}};
}

std::string tokens_text(const Spend& spent) {
  std::string text = std::to_string(spent.prompt_tokens);
  if (spent.cached_tokens > 0) text += " (" + std::to_string(spent.cached_tokens) + " cached)";
  return text + " + " + std::to_string(spent.output_tokens) + " tokens";
}

void GraphProgress::on_event(const planner::Event& event) {
  Use& use = uses_.try_emplace(node_of(event.path), Use{.order = uses_.size()}).first->second;
  if (event.kind == Kind::kBoundReached) return;
  if (event.kind == Kind::kStarted) {
    ++use.attempts;
    running_[event.path] = event.time;
    return;
  }
  double seconds = 0;
  if (const auto began = running_.find(event.path); began != running_.end()) {
    seconds = std::chrono::duration<double>(event.time - began->second).count();
    running_.erase(began);
  }
  use.seconds += seconds;
  use.spent = use.spent + event.spent;
  if (event.kind == Kind::kDone || event.kind == Kind::kRecalled) ++use.done;
  if (event.kind == Kind::kRecalled) ++use.recalled;
  if (event.kind == Kind::kFailed) ++use.failed;
  if (shows_) console_.note(console_.dim(line_of(event, seconds)));
}

Json GraphProgress::json() const {
  std::vector<const std::pair<const std::string, Use>*> sorted;
  for (const auto& each : uses_) sorted.push_back(&each);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->second.order < b->second.order; });
  Json nodes = Json::array();
  for (const auto* each : sorted) {
    const Use& use = each->second;
    Json node = {{"node", each->first},  {"done", use.done},         {"recalled", use.recalled},
                 {"failed", use.failed}, {"attempts", use.attempts}, {"seconds", use.seconds}};
    node.update(spend_json(use.spent));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace weft::cli
