#include "agents/answer_metrics.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

namespace weft::agents {
namespace {

std::vector<std::string> tokens_of(const std::string& normalized) {
  std::vector<std::string> tokens;
  for (std::size_t start = 0; start < normalized.size();) {
    const std::size_t end = std::min(normalized.find(' ', start), normalized.size());
    tokens.push_back(normalized.substr(start, end - start));
    start = end + 1;
  }
  return tokens;
}

double f1_of(const std::vector<std::string>& given, const std::vector<std::string>& accepted) {
  if (given.empty() || accepted.empty()) return given.empty() && accepted.empty() ? 1 : 0;
  std::map<std::string, int> left;
  for (const auto& token : accepted) ++left[token];
  double common = 0;
  for (const auto& token : given) {
    if (left[token]-- > 0) ++common;
  }
  if (common == 0) return 0;
  const double precision = common / static_cast<double>(given.size());
  const double recall = common / static_cast<double>(accepted.size());
  return 2 * precision * recall / (precision + recall);
}

}  // namespace

std::string normalize_answer(std::string_view answer) {
  std::string plain;
  for (const char c : answer) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && std::ispunct(byte)) continue;
    plain += byte < 0x80 ? static_cast<char>(std::tolower(byte)) : c;
  }
  std::string normalized;
  std::string word;
  const auto flush = [&] {
    if (!word.empty() && word != "a" && word != "an" && word != "the") {
      normalized += (normalized.empty() ? "" : " ") + word;
    }
    word.clear();
  };
  for (const char c : plain) {
    if (static_cast<unsigned char>(c) < 0x80 && std::isspace(static_cast<unsigned char>(c))) {
      flush();
    } else {
      word += c;
    }
  }
  flush();
  return normalized;
}

AnswerScore score_answer(std::string_view answer, std::span<const std::string> accepted) {
  AnswerScore best;
  const std::string given = normalize_answer(answer);
  const auto given_tokens = tokens_of(given);
  for (const std::string& each : accepted) {
    const std::string wanted = normalize_answer(each);
    const auto wanted_tokens = tokens_of(wanted);
    if (given == wanted) best.exact_match = 1;
    best.f1 = std::max(best.f1, f1_of(given_tokens, wanted_tokens));
    const bool inside = !wanted_tokens.empty() &&
                        std::ranges::search(given_tokens, wanted_tokens).begin() != given_tokens.end();
    if (inside) best.contains = 1;
  }
  return best;
}

}  // namespace weft::agents
