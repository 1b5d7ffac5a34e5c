#pragma once
// One model call after the other, until something is decided.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "planner/graph.h"
#include "planner/nodes/vote.h"

namespace weft::planner {

/// A list of lists: the questions, and the answers that there are.
using Hops = std::vector<std::vector<std::string>>;
inline constexpr int kHopsMax = 16;

/// The next question with the answers before it in the places #1, #2, ... (the longest number that
/// stands there is read, so #10 is the tenth). Errors: kInvalidArgument for a place of no earlier
/// answer.
Result<std::string> next_hop(const Hops& hops);
/// list<list<text>> and an answer to the same with it.
FunctionPtr add_hop_function();
/// list<list<text>> to the next question; to whether all are answered; to the last answer.
FunctionPtr next_hop_function();
bool is_last_hop(const Hops& hops);

/// Questions each of which may need the answers before it; answer(Graph&, Out<std::string>
/// question)
/// -> Out<std::string>. The value is the last answer; 16 questions at most. It is right if all are:
/// errors add up, to at most the sum of the hops'.
template <typename Answer>
Out<std::string> multi_hop(Graph& graph, const std::string& name,
                           Out<std::vector<std::string>> questions, Answer answer) {
  const auto begin = graph.node(
      name + " begin",
      [](Ctx&, const std::vector<std::string>& all) {
        return Hops{all, {}};
      },
      {}, questions);
  const auto done = graph.loop(
      name + " hops", begin,
      [&](Graph& inside, Out<Hops> state) {
        const auto question = inside.call<std::string>("question", next_hop_function(), {}, state);
        return inside.call<Hops>("answered", add_hop_function(), {}, state,
                                 answer(inside, question));
      },
      [](Ctx&, const Hops& hops) { return is_last_hop(hops); }, kHopsMax);
  return graph.node(
      name,
      [](Ctx&, const Hops& hops) -> Result<std::string> {
        if (hops.size() == 2 && is_last_hop(hops) && !hops[1].empty()) return hops[1].back();
        return Error{ErrorCode::kResourceExhausted, "there are more questions than hops"};
      },
      {}, done);
}

struct LeadOptions {
  std::size_t lead = 3;  // K >= 1
  int samples_max = 64;
};

/// Samples until one answer leads all others by K: right with p a sample, it ends right with
/// 1 / (1 + ((1-p)/p)^K) after K (2 P - 1) / (2 p - 1) samples on average (Meyerson et al. 2025).
/// sample(Graph&) -> Out<std::string>, different each time it is run; what says nothing doesn't
/// count. At samples_max the one that leads is taken, and an event tells of the bound.
template <typename Sample>
Out<std::string> first_to_lead(Graph& graph, const std::string& name, const LeadOptions& options,
                               Sample sample) {
  using Texts = std::vector<std::string>;
  const auto none = graph.node(name + " none", [](Ctx&) { return Texts(); }, {});
  const auto samples = graph.loop(
      name + " samples", none,
      [&](Graph& inside, Out<Texts> before) {
        return inside.node(
            "more",
            [](Ctx&, Texts all, const std::string& one) {
              all.push_back(one);
              return all;
            },
            {}, before, sample(inside));
      },
      [lead = options.lead](Ctx&, const Texts& all) {
        const auto counted = vote(all, {.lead = lead});
        return counted && counted->is_decided;
      },
      options.samples_max);
  return graph.call<std::string>(name, vote_function({.lead = options.lead}), {}, samples);
}

}  // namespace weft::planner
