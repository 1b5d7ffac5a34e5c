#include "planner/tune.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace weft::planner {
namespace {

constexpr std::size_t kSettingsMax = 1'000'000;

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

bool is_within(const Outcome& outcome, const Target& target) {
  const auto fits = [](const std::optional<double>& limit, double value) {
    return !limit || value <= *limit;
  };
  return fits(target.cost, outcome.cost) && fits(target.seconds, outcome.seconds) &&
         fits(target.error, outcome.error) && fits(target.tokens, outcome.tokens) &&
         fits(target.calls, outcome.calls);
}

Result<void> check(const SearchSpace& space) {
  struct List {
    const char* name;
    const std::vector<std::int64_t>& values;
    std::int64_t low;
    std::int64_t high;
  };
  constexpr std::int64_t kMost = INT64_MAX;
  std::size_t all = 1;
  for (const List& list :
       {List{"sizes", space.sizes, 1, kMost}, List{"overlaps", space.overlaps_percent, 0, 99},
        List{"workers", space.workers, 1, kMost}, List{"votes", space.votes, 1, kMost}}) {
    const auto bad = [&](std::int64_t value) { return value < list.low || value > list.high; };
    if (list.values.empty() || std::ranges::any_of(list.values, bad)) {
      return Error{ErrorCode::kInvalidArgument,
                   std::string("tuning: there are no ") + list.name + ", or one is out of range"};
    }
    all = list.values.size() > kSettingsMax / all ? kSettingsMax + 1 : all * list.values.size();
    if (all > kSettingsMax) {
      return Error{ErrorCode::kResourceExhausted,
                   "tuning: there are more than a million settings to try: leave sizes out, as "
                   "sizes_worth_trying() does"};
    }
  }
  return {};
}

/// By rising cost, then seconds: whoever is behind can't be better in both.
std::vector<Candidate> pareto(std::vector<Candidate> all) {
  std::ranges::stable_sort(all, [](const Candidate& a, const Candidate& b) {
    if (a.outcome.cost != b.outcome.cost) return a.outcome.cost < b.outcome.cost;
    if (a.outcome.seconds != b.outcome.seconds) return a.outcome.seconds < b.outcome.seconds;
    return a.outcome.error < b.outcome.error;
  });
  std::vector<Candidate> front;
  for (const Candidate& one : all) {
    const bool is_beaten = std::ranges::any_of(front, [&](const Candidate& other) {
      return other.outcome.seconds <= one.outcome.seconds &&
             other.outcome.error <= one.outcome.error;
    });
    if (!is_beaten) front.push_back(one);
  }
  return front;
}

template <typename Member>
const Candidate* least(const std::vector<Candidate>& front, Member member) {
  const auto found = std::ranges::min_element(
      front, {}, [member](const Candidate& one) { return one.outcome.*member; });
  return found == front.end() ? nullptr : &*found;
}

}  // namespace

Result<Tuning> tune(const SearchSpace& space, const Target& target,
                    const std::function<Result<Outcome>(const Setting&)>& evaluate) {
  WEFT_TRY_VOID(check(space));
  Tuning tuning;
  std::vector<Candidate> fitting;
  for (const std::int64_t size : space.sizes) {
    for (const std::int64_t overlap : space.overlaps_percent) {
      for (const std::int64_t workers : space.workers) {
        for (const std::int64_t votes : space.votes) {
          const Setting setting{size, overlap, workers, votes};
          const auto outcome = evaluate(setting);
          if (!outcome) {
            return Error(outcome.error())
                .with_context("tuning, size " + std::to_string(size) + ", overlap " +
                              std::to_string(overlap) + " %, workers " + std::to_string(workers) +
                              ", votes " + std::to_string(votes));
          }
          ++tuning.tried;
          if (is_within(*outcome, target)) fitting.push_back({setting, *outcome});
        }
      }
    }
  }
  tuning.within = static_cast<std::int64_t>(fitting.size());
  tuning.front = pareto(std::move(fitting));
  return tuning;
}

std::vector<std::int64_t> sizes_worth_trying(std::int64_t n, std::int64_t size_max) {
  std::vector<std::int64_t> sizes;
  // The next smaller number of parts is that of the largest size with as many parts, plus one.
  for (std::int64_t size = n; size >= 1;) {
    const std::int64_t parts = (n + size - 1) / size;
    const std::int64_t smallest = (n + parts - 1) / parts;
    if (smallest <= size_max) sizes.push_back(smallest);
    size = smallest - 1;
  }
  return sizes;
}

Outcome outcome_of(const Forecast& forecast, double error) {
  const double tokens = forecast.prompt_tokens.mean + forecast.output_tokens.mean;
  const double money = forecast.money_micros.mean;
  return {.cost = money > 0 ? money : tokens,
          .seconds = forecast.seconds.mean,
          .error = error,
          .tokens = tokens,
          .calls = forecast.calls.mean};
}

const Candidate* Tuning::cheapest() const { return least(front, &Outcome::cost); }
const Candidate* Tuning::fastest() const { return least(front, &Outcome::seconds); }
const Candidate* Tuning::most_right() const { return least(front, &Outcome::error); }

std::string Tuning::text() const {
  std::string text = format("%8s %8s %8s %6s %12s %12s %12s %12s %8s\n", "size", "overlap",
                            "workers", "votes", "cost", "seconds", "error", "tokens", "calls");
  for (const Candidate& one : front) {
    const Setting& s = one.setting;
    const Outcome& o = one.outcome;
    text += format("%8lld %6lld %% %8lld %6lld %12.6g %12.6g %12.6g %12.6g %8.6g\n",
                   static_cast<long long>(s.size), static_cast<long long>(s.overlap_percent),
                   static_cast<long long>(s.workers), static_cast<long long>(s.votes), o.cost,
                   o.seconds, o.error, o.tokens, o.calls);
  }
  return text + format("%lld settings tried, %lld within the target, %zu on the front\n",
                       static_cast<long long>(tried), static_cast<long long>(within), front.size());
}

std::string Tuning::json() const {
  nlohmann::json json = {{"format", 1}, {"tried", tried}, {"within", within}};
  json["front"] = nlohmann::json::array();
  for (const Candidate& one : front) {
    json["front"].push_back({{"size", one.setting.size},
                             {"overlap_percent", one.setting.overlap_percent},
                             {"workers", one.setting.workers},
                             {"votes", one.setting.votes},
                             {"cost", one.outcome.cost},
                             {"seconds", one.outcome.seconds},
                             {"error", one.outcome.error},
                             {"tokens", one.outcome.tokens},
                             {"calls", one.outcome.calls}});
  }
  return json.dump();
}

std::string Tuning::svg() const {
  constexpr double kWidth = 640;
  constexpr double kHeight = 400;
  constexpr double kMargin = 60;
  double cost_max = 0;
  double error_max = 0;
  double seconds_max = 0;
  for (const Candidate& one : front) {
    cost_max = std::max(cost_max, one.outcome.cost);
    error_max = std::max(error_max, one.outcome.error);
    seconds_max = std::max(seconds_max, one.outcome.seconds);
  }
  const auto share = [](double value, double of) { return of > 0 ? value / of : 0; };
  std::string svg = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += format("<path d=\"M%g %gV%gH%g\" fill=\"none\" stroke=\"black\"/>\n", kMargin, kMargin,
                kHeight - kMargin, kWidth - kMargin);
  svg += format("<text x=\"%g\" y=\"%g\">cost, to %.4g</text>\n", kWidth / 2, kHeight - kMargin / 3,
                cost_max);
  svg += format("<text x=\"8\" y=\"%g\">error, to %.4g</text>\n", kMargin / 2, error_max);
  for (const Candidate& one : front) {
    const double x = kMargin + share(one.outcome.cost, cost_max) * (kWidth - 2 * kMargin);
    const double y =
        kHeight - kMargin - share(one.outcome.error, error_max) * (kHeight - 2 * kMargin);
    const double light = 85 * share(one.outcome.seconds, seconds_max);
    svg += format(
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"hsl(210,70%%,%.0f%%)\" stroke=\"black\">"
        "<title>size %lld, overlap %lld %%, workers %lld, votes %lld: cost %.4g, %.4g s, error "
        "%.4g</title></circle>\n",
        x, y, light, static_cast<long long>(one.setting.size),
        static_cast<long long>(one.setting.overlap_percent),
        static_cast<long long>(one.setting.workers), static_cast<long long>(one.setting.votes),
        one.outcome.cost, one.outcome.seconds, one.outcome.error);
  }
  return svg + "</svg>\n";
}

}  // namespace weft::planner
