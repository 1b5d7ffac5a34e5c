#include "planner/nodes/judge.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "planner/nodes/text.h"

namespace weft::planner {
namespace {

constexpr double kScoreMax = 10;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string block(const std::string& title, const std::string& place) {
  return "[" + title + "]\n{{" + place + "}}\n\n";
}

Winner leader(double first, double second, double margin) {
  if (first - second > margin) return Winner::kFirst;
  return second - first > margin ? Winner::kSecond : Winner::kTie;
}

}  // namespace

PromptTemplate judge_prompt(const JudgePrompt& prompt) {
  const std::size_t answers = std::max<std::size_t>(1, prompt.answers);
  const bool is_single = answers == 1;
  std::string text =
      "You compare answers to a question. Rate each from 1 to 10 for helpfulness, relevance, "
      "accuracy and detail; don't let the order or the length of the answers sway you. Write the "
      "scores alone on the first line, in the order of the answers, with a space between; then say "
      "why.\n\n";
  text += block("Question", "question");
  if (is_single) {
    text += "The first answer is the reference, whose score is 10.\n\n";
    text += block("Answer 1", "reference") + block("Answer 2", "answer_1");
  } else {
    if (prompt.has_reference) text += block("Reference answer", "reference");
    for (std::size_t i = 1; i <= answers; ++i) {
      const std::string number = std::to_string(i);
      text += block("Answer " + number, "answer_" + number);
    }
  }
  text += "Scores:";
  return PromptTemplate::parse(text).value();
}

std::optional<std::vector<double>> parse_scores(std::string_view reply, std::size_t count) {
  const std::vector<std::string> lines = split_lines(reply);
  if (lines.empty()) return std::nullopt;
  const std::string& line = lines.front();
  std::vector<double> scores;
  for (std::size_t at = 0; at < line.size() && scores.size() < count;) {
    const bool is_word = at > 0 && (is_digit(line[at - 1]) || line[at - 1] == '.');
    if (!is_digit(line[at]) || is_word) {
      ++at;
      continue;
    }
    double score = 0;
    const auto [end, error] = std::from_chars(&line[at], line.data() + line.size(), score);
    const bool is_negative = at > 0 && line[at - 1] == '-';
    if (error != std::errc() || score > kScoreMax || is_negative) return std::nullopt;
    scores.push_back(score);
    at = static_cast<std::size_t>(end - line.data());
  }
  if (scores.size() < count) return std::nullopt;
  return scores;
}

std::string_view to_string(Winner winner) noexcept {
  return winner == Winner::kFirst ? "first" : winner == Winner::kSecond ? "second" : "tie";
}

Verdict verdict(std::string_view straight, std::string_view swapped, double margin) {
  const auto in_order = parse_scores(straight, 2);
  auto back = parse_scores(swapped, 2);
  if (back) std::swap((*back)[0], (*back)[1]);
  if (!in_order && !back) return {};
  const auto& one = in_order ? *in_order : *back;
  const auto& two = back ? *back : *in_order;
  Verdict made{.first = (one[0] + two[0]) / 2, .second = (one[1] + two[1]) / 2};
  made.winner = leader(made.first, made.second, margin);
  made.is_consistent =
      in_order && back && leader(one[0], one[1], margin) == leader(two[0], two[1], margin);
  return made;
}

std::optional<std::vector<double>> mean_scores(std::string_view straight, std::string_view reversed,
                                               std::size_t count) {
  auto mean = parse_scores(straight, count);
  auto back = parse_scores(reversed, count);
  if (back) std::ranges::reverse(*back);
  if (!mean || !back) return mean ? mean : back;
  for (std::size_t i = 0; i < count; ++i) (*mean)[i] = ((*mean)[i] + (*back)[i]) / 2;
  return mean;
}

double JudgeBias::delta() const noexcept { return std::abs(prefers_first - prefers_second); }

JudgeBias judge_bias(const std::vector<JudgedPair>& pairs) {
  JudgeBias bias;
  for (const JudgedPair& pair : pairs) {
    if (!pair.straight || !pair.swapped) continue;
    ++bias.pairs;
    bias.consistency += *pair.straight == *pair.swapped;
    // What stood first the second time is the second answer.
    bias.prefers_first += *pair.straight == Winner::kFirst && *pair.swapped == Winner::kSecond;
    bias.prefers_second += *pair.straight == Winner::kSecond && *pair.swapped == Winner::kFirst;
  }
  if (bias.pairs == 0) return bias;
  const auto all = static_cast<double>(bias.pairs);
  bias.consistency /= all;
  bias.prefers_first /= all;
  bias.prefers_second /= all;
  return bias;
}

namespace {

Error no_scores(std::size_t count, const std::string& reply) {
  return {ErrorCode::kInvalidArgument, "its first line has no " + std::to_string(count) +
                                           " scores of 0 to 10: " + reply.substr(0, 80)};
}

/// The text that a reply chooses, by its place; nothing if it names none.
std::optional<Winner> chosen(const std::string& reply) {
  const std::size_t at = reply.find_first_of("12");
  if (at == std::string::npos) return std::nullopt;
  return reply[at] == '1' ? Winner::kFirst : Winner::kSecond;
}

/// Code of one reply or of two: fn(straight, swapped), the second of which is empty if nobody was
/// asked.
template <typename F>
FunctionPtr of_replies(bool swaps, F fn) {
  if (!swaps) {
    return make_function<std::string>(
        [fn](Ctx&, const std::string& reply) { return fn(reply, std::string()); });
  }
  return make_function<std::string, std::string>(
      [fn](Ctx&, const std::string& straight, const std::string& swapped) {
        return fn(straight, swapped);
      });
}

}  // namespace

FunctionPtr parse_scores_function(std::size_t count) { return mean_scores_function(count, false); }

FunctionPtr mean_scores_function(std::size_t count, bool swaps) {
  return of_replies(swaps,
                    [count](const std::string& straight,
                            const std::string& reversed) -> Result<std::vector<double>> {
                      if (auto scores = mean_scores(straight, reversed, count)) {
                        return *std::move(scores);
                      }
                      return no_scores(count, straight);
                    });
}

FunctionPtr single_score_function() {
  return make_function<std::string>([](Ctx&, const std::string& reply) -> Result<double> {
    if (const auto scores = parse_scores(reply, 2)) return (*scores)[1];
    return no_scores(2, reply);
  });
}

FunctionPtr verdict_function(double margin, bool swaps) {
  return of_replies(swaps, [margin](const std::string& straight, const std::string& swapped) {
    return std::string(to_string(verdict(straight, swapped, margin).winner));
  });
}

FunctionPtr choice_function(bool swaps) {
  return of_replies(swaps, [swaps](const std::string& straight, const std::string& swapped) {
    const auto one = chosen(straight);
    if (!swaps) return std::string(to_string(one.value_or(Winner::kTie)));
    const auto two = chosen(swapped);
    const bool agree = one && two && *one != *two;  // the same text, in another place
    return std::string(to_string(agree ? *one : Winner::kTie));
  });
}

}  // namespace weft::planner
