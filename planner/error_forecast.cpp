#include "planner/error_forecast.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "planner/error_model.h"

namespace weft::planner {
namespace {

// Each value keeps its own list of them: memory grows with the square.
constexpr std::size_t kSourcesMax = 2000;

/// Of one node that may be wrong by itself: the chance and how many of its instances a value needs.
struct Source {
  double bound = 0;
  double chance = 0;  // if independent
  double count = 1;
};

/// What is known of a value; of a list, of one of its elements, and how many there are.
struct State {
  std::map<std::size_t, Source> sources;  // by serial number: one that two paths need counts once
  double size_bound = 0;
  double mean = 0;
  double variance = 0;
  bool independent = true;
  bool has_size = true;  // mean and variance say what the error's size is
  double count = 1;      // elements; 1 of what is no list
  bool is_list = false;

  double wrong_bound() const {
    double sum = 0;
    for (const auto& [serial, source] : sources) sum += source.bound * source.count;
    return std::min(1.0, sum);
  }
  double wrong() const {
    double right = 1;
    for (const auto& [serial, source] : sources) {
      right *= std::pow(1 - source.chance, source.count);
    }
    return 1 - right;
  }
};

class Composer {
 public:
  Composer(const StatsBook& book, const ErrorForecastOptions& options)
      : book_(book), options_(options) {}

  /// The state of a body's result; `path` and `around` as in positions().
  Result<State> compose(const Body& body, const std::vector<State>& inputs, const Node* around,
                        const std::string& path) {
    std::vector<State> states(body.slots.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) states[body.inputs[i].slot] = inputs[i];
    for (const Node& node : body.nodes) {
      const bool is_it = around != nullptr && body.nodes.size() == 1 && node.name == around->name;
      const std::string here = around == nullptr ? node.name
                               : is_it           ? path
                                                 : path + "/" + node.name;
      std::vector<State> in;
      for (const Slot slot : node.inputs) in.push_back(states[slot]);
      WEFT_TRY(made, node.bodies.empty() ? code(node, in, here) : control(node, in, here));
      if (made.sources.size() > kSourcesMax) {
        return Error{ErrorCode::kResourceExhausted,
                     "node " + here + ": its value depends on more than " +
                         std::to_string(kSourcesMax) +
                         " nodes that may be wrong: tag the parts of a graph this large as one"};
      }
      states[node.output] = std::move(made);
    }
    return states[body.result];
  }
  std::vector<std::string> assumed() && { return {assumed_.begin(), assumed_.end()}; }

 private:
  /// Every part of every input is needed; a list counts as many times as it has elements.
  static State all_of(const std::vector<State>& in) {
    State all;
    for (const State& one : in) {
      for (const auto& [serial, source] : one.sources) {
        Source& known = all.sources[serial];
        const double count = std::max(known.count, source.count);
        known = source;
        known.count = count;
      }
      all.size_bound += one.size_bound * one.count;
      all.mean += one.mean * one.count;
      all.variance += one.variance * one.count;
      all.independent = all.independent && one.independent;
      all.has_size = all.has_size && one.has_size;
    }
    return all;
  }

  Result<State> code(const Node& node, const std::vector<State>& in, const std::string& path) {
    const ErrorTag& tag = node.policy.error;
    const std::size_t self = serial_++;
    State made = all_of(in);
    using Kind = ErrorTag::Kind;
    if (tag.kind != Kind::kNone) made.independent = made.independent && tag.independent;
    switch (tag.kind) {
      case Kind::kNone:
        break;
      case Kind::kCustom:
        made.sources[self] = {tag.chance, tag.chance, 1};
        scale(made, tag.sensitivity);
        made.size_bound += tag.mean;
        made.has_size = made.has_size && tag.mean == 0;  // else of unknown sign
        break;
      case Kind::kExact:
        scale(made, tag.sensitivity);
        break;
      case Kind::kFail:
        made.sources[self] = {tag.chance, tag.chance, 1};
        break;
      case Kind::kAdditive:
        made.size_bound += mean_size_of_normal(tag.mean, tag.sd * tag.sd);
        made.mean += tag.mean;
        made.variance += tag.sd * tag.sd;
        break;
      case Kind::kMax:
        made.size_bound = tag.mean;
        for (const State& one : in) {
          made.size_bound = std::max(made.size_bound, one.size_bound + tag.mean);
        }
        made.mean = made.variance = 0;
        made.has_size = made.size_bound == 0;
        break;
      case Kind::kVote:
      case Kind::kRetrieve: {
        WEFT_TRY(list, list_of(in, path));
        State voted = tag.kind == Kind::kVote ? vote(tag, *list, self, made.independent)
                                              : retrieve(tag, *list, self, made.independent);
        // What else it reads, it needs as ever.
        for (const State& other : in) {
          if (&other != list) voted.sources.insert(other.sources.begin(), other.sources.end());
        }
        return voted;
      }
    }
    return made;
  }

  static void scale(State& state, double sensitivity) {
    state.size_bound *= sensitivity;
    state.mean *= sensitivity;
    state.variance *= sensitivity * sensitivity;
  }

  static Result<const State*> list_of(const std::vector<State>& in, const std::string& path) {
    const auto list = std::ranges::find(in, true, &State::is_list);
    if (list != in.end()) return &*list;
    return Error{ErrorCode::kInvalidArgument,
                 "node " + path + ": its error tag votes, but no map hands it a list"};
  }

  /// One voter is wrong with the chance of what only it needs; what all share goes on.
  static State vote(const ErrorTag& tag, const State& list, std::size_t self, bool independent) {
    State made;
    State voter;
    for (const auto& [serial, source] : list.sources) {
      if (source.count < list.count) {
        made.sources[serial] = source;
        continue;
      }
      voter.sources[serial] = source;
      voter.sources[serial].count = source.count / list.count;
    }
    const double right = 1 - voter.wrong();
    const auto voters = static_cast<std::int64_t>(std::llround(list.count));
    Source own;
    if (tag.lead > 0) {
      own.chance = 1 - lead_by(tag.lead, right).right;
      own.bound = voter.wrong_bound() > 0 ? 1 : 0;
    } else {
      own.chance = 1 - majority_right(voters, right);
      // Markov: half of them wrong, with a mean of `wrong_bound`.
      own.bound = std::min(1.0, 2 * voter.wrong_bound());
    }
    made.sources[self] = own;
    made.independent = independent;
    return made;
  }

  static State retrieve(const ErrorTag& tag, const State& list, std::size_t self,
                        bool independent) {
    State made;
    for (const auto& [serial, source] : list.sources) made.sources[serial] = source;
    const auto chunks = static_cast<std::int64_t>(std::llround(list.count));
    const std::int64_t with = std::min(tag.with_needle, chunks);
    Source own;
    own.chance = needle_error({tag.recall, tag.false_alarm, chunks, with});
    own.bound =
        std::min(1.0, 1 - tag.recall + tag.false_alarm * static_cast<double>(chunks - with));
    made.sources[self] = own;
    made.independent = independent;
    return made;
  }

  Result<State> control(const Node& node, const std::vector<State>& in, const std::string& path) {
    ++serial_;
    switch (node.kind) {
      case NodeKind::kMap:
      case NodeKind::kCollect:
        return map(node, in, path);
      case NodeKind::kLoop:
        return loop(node, in, path);
      case NodeKind::kBranch:
        return branch(node, in, path);
      case NodeKind::kScope:
      case NodeKind::kCode:
      case NodeKind::kAsk:
      case NodeKind::kPlan:
        break;
    }
    return compose(*node.bodies[0], arguments(node, 0, in), &node, path);
  }

  static std::vector<State> arguments(const Node& node, std::size_t which,
                                      const std::vector<State>& in) {
    std::vector<State> handed;
    for (const std::uint32_t from : node.arguments[which]) handed.push_back(in[from]);
    return handed;
  }

  std::int64_t count_of(const std::string& path, std::int64_t otherwise) {
    const auto given = options_.counts.find(path);
    if (given != options_.counts.end()) return given->second;
    const ControlStats* stats = book_.find_control(path);
    if (stats == nullptr || stats->counts.items().empty()) {
      assumed_.insert(path);
      return otherwise;
    }
    double sum = 0;
    for (const std::int64_t count : stats->counts.items()) sum += static_cast<double>(count);
    return std::llround(sum / static_cast<double>(stats->counts.items().size()));
  }

  /// What a graph inside adds is there `times` times.
  static void repeat(State& made, const std::vector<State>& in, double times) {
    for (auto& [serial, source] : made.sources) {
      const auto is_outer = [&, s = serial](const State& one) { return one.sources.contains(s); };
      if (std::ranges::none_of(in, is_outer)) source.count *= times;
    }
  }

  Result<State> map(const Node& node, const std::vector<State>& in, const std::string& path) {
    // A list that a map made is as wide as it.
    const bool is_known = in[0].is_list && !options_.counts.contains(path);
    const double width = is_known ? in[0].count : static_cast<double>(count_of(path, 1));
    std::vector<State> handed = arguments(node, 0, in);
    handed[0].count = 1;
    handed[0].is_list = false;
    WEFT_TRY(made, compose(*node.bodies[0], handed, &node, path));
    repeat(made, in, width);
    made.count *= width;
    made.is_list = true;
    return made;
  }

  Result<State> loop(const Node& node, const std::vector<State>& in, const std::string& path) {
    const std::int64_t iterations = count_of(path, node.iterations_max);
    constexpr std::int64_t kIterationsMax = 1000;  // each has sources of its own
    if (iterations > kIterationsMax) {
      return Error{ErrorCode::kInvalidArgument,
                   "node " + path + ": an error is followed through at most " +
                       std::to_string(kIterationsMax) + " iterations: say how many there will be"};
    }
    std::vector<State> handed = arguments(node, 0, in);
    State state = in[0];
    for (std::int64_t i = 0; i < iterations; ++i) {
      handed[0] = std::move(state);
      WEFT_TRY(next, compose(*node.bodies[0], handed, &node, path));
      state = std::move(next);
    }
    return state;
  }

  Result<State> branch(const Node& node, const std::vector<State>& in, const std::string& path) {
    WEFT_TRY(yes, compose(*node.bodies[0], arguments(node, 0, in), &node, path));
    WEFT_TRY(no, compose(*node.bodies[1], arguments(node, 1, in), &node, path));
    double share = 0.5;
    const auto given = options_.yes.find(path);
    const ControlStats* stats = book_.find_control(path);
    if (given != options_.yes.end()) {
      share = given->second;
    } else if (stats != nullptr && stats->yes + stats->no > 0) {
      share = double(stats->yes) / double(stats->yes + stats->no);
    } else {
      assumed_.insert(path);
    }
    // What both sides need is needed; the rest with the side's share, and in bounds as it is.
    State made = all_of({in[0], yes});
    made.size_bound = std::max(yes.size_bound, no.size_bound);
    made.mean = share * yes.mean + (1 - share) * no.mean;
    // The mean of the squares, less the square of the mean.
    made.variance = share * (yes.variance + yes.mean * yes.mean) +
                    (1 - share) * (no.variance + no.mean * no.mean) - made.mean * made.mean;
    made.independent = in[0].independent && yes.independent && no.independent;
    made.has_size = yes.has_size && no.has_size;
    made.count = std::max(yes.count, no.count);
    made.is_list = yes.is_list || no.is_list;
    const auto weigh = [&](const State& side, const State& other, double part) {
      for (const auto& [serial, source] : side.sources) {
        if (other.sources.contains(serial) || in[0].sources.contains(serial)) continue;
        made.sources[serial] = source;
        made.sources[serial].chance = part * (1 - std::pow(1 - source.chance, source.count));
        made.sources[serial].bound = std::min(1.0, source.bound * source.count);
        made.sources[serial].count = 1;
      }
    };
    weigh(yes, no, share);
    weigh(no, yes, 1 - share);
    return made;
  }

  const StatsBook& book_;
  const ErrorForecastOptions& options_;
  std::size_t serial_ = 0;  // of the next instance of a node
  std::set<std::string> assumed_;
};

}  // namespace

Result<ErrorForecast> forecast_error(const AnyProgram& program, const StatsBook& book,
                                     const ErrorForecastOptions& options) {
  Composer composer(book, options);
  const std::vector<State> inputs(program.body().inputs.size());
  WEFT_TRY(state, composer.compose(program.body(), inputs, nullptr, ""));
  ErrorForecast result;
  result.wrong_bound = state.wrong_bound();
  result.size_bound = state.size_bound * state.count;
  if (state.independent) result.wrong = state.wrong();
  if (state.independent && state.has_size) {
    result.size = mean_size_of_normal(state.mean * state.count, state.variance * state.count);
  }
  result.assumed = std::move(composer).assumed();
  return result;
}

ErrorTag fail_tag(const Judgements& judged) {
  if (judged.with_answer == 0) return {};
  return ErrorTag::fail(1 - double(judged.right) / double(judged.with_answer));
}

std::string ErrorForecast::text() const {
  char line[160];
  std::snprintf(line, sizeof line, "wrong          at most %.4g\nerror's size   at most %.4g\n",
                wrong_bound, size_bound);
  std::string text = line;
  if (wrong) {
    std::snprintf(line, sizeof line, "if independent %.4g wrong\n", *wrong);
    text += line;
  }
  if (size) {
    std::snprintf(line, sizeof line, "if independent %.4g the error's size\n", *size);
    text += line;
  }
  for (const std::string& path : assumed) text += "not known: how often " + path + "\n";
  return text;
}

}  // namespace weft::planner
