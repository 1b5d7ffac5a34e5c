#include "planner/patterns/sequence.h"

#include <charconv>

namespace weft::planner {

Result<std::string> next_hop(const Hops& hops) {
  const std::size_t done = hops[1].size();
  if (done >= hops[0].size()) {
    return Error{ErrorCode::kInvalidArgument, "there is no question that isn't answered"};
  }
  const std::string& question = hops[0][done];
  std::string filled;
  for (std::size_t at = 0; at < question.size();) {
    std::size_t number = 0;
    const char* const begin = question.data() + at + 1;
    const bool is_mark = question[at] == '#' && at + 1 < question.size();
    const char* end = begin;
    if (is_mark) end = std::from_chars(begin, question.data() + question.size(), number).ptr;
    if (!is_mark || end == begin) {
      filled += question[at++];
      continue;
    }
    const std::string place = question.substr(at, static_cast<std::size_t>(end - begin) + 1);
    if (number == 0 || number > done) {
      return Error{ErrorCode::kInvalidArgument, "question " + std::to_string(done + 1) + " needs " +
                                                    place + ", which is no earlier answer"};
    }
    filled += hops[1][number - 1];
    at += place.size();
  }
  return filled;
}

bool is_last_hop(const Hops& hops) { return hops.size() == 2 && hops[1].size() >= hops[0].size(); }

FunctionPtr next_hop_function() {
  return make_function<Hops>([](Ctx&, const Hops& hops) { return next_hop(hops); });
}

FunctionPtr add_hop_function() {
  return make_function<Hops, std::string>([](Ctx&, Hops hops, const std::string& answer) {
    hops[1].push_back(answer);
    return hops;
  });
}

}  // namespace weft::planner
