// Kinds of code on lists: folds, numbers, votes and judges' scores.

#include <nlohmann/json.hpp>

#include "planner/graph_file_kinds.h"
#include "planner/nodes/fold.h"
#include "planner/nodes/judge.h"
#include "planner/nodes/vote.h"
#include "planner/patterns/parts.h"

namespace weft::planner::file {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;

constexpr std::int64_t kAnswersMax = 100;
constexpr std::int64_t kLeadMax = 1000;
constexpr std::int64_t kGroupMax = 1'000'000;

Result<MadeCode> make_fold(const CodeRequest& request) {
  WEFT_TRY(name, text(request.json, "with"));
  WEFT_TRY(fold, find_fold(name));
  const std::size_t count = request.inputs.size();
  if (count != 1 && count != 2) {
    return wrong("it takes a list, or an earlier value and a list, not " + std::to_string(count) +
                 " inputs");
  }
  const Type* list = fold->list;
  if (list == nullptr) list = request.inputs.back().type;
  if (list->kind != Type::Kind::kList) {
    return wrong("it goes over a list, not a value of type " + list->name);
  }
  return MadeCode{fold_function(*fold, list, count == 2), {}};
}

Result<MadeCode> make_parse_numbers(const CodeRequest& request) {
  WEFT_TRY(in_order, bool_or(request.json, "in_order", false));
  return MadeCode{parse_numbers_function(in_order), {}};
}

Result<MadeCode> make_merge_sorted(const CodeRequest&) {
  return MadeCode{merge_sorted_function(), {}};
}

Result<MadeCode> make_known(const CodeRequest&) { return MadeCode{known_function(), {}}; }

Result<MadeCode> make_append(const CodeRequest&) {
  auto code = make_function<Texts, Text>([](Ctx&, Texts all, const Text& one) {
    all.push_back(one);
    return all;
  });
  return MadeCode{std::move(code), {}};
}

Result<MadeCode> make_decided(const CodeRequest& request) {
  WEFT_TRY(lead, integer_or(request.json, "lead", 3, 1, kLeadMax));
  auto code = make_function<Texts>([lead](Ctx&, const Texts& answers) {
    const auto counted = vote(answers, {.lead = static_cast<std::size_t>(lead)});
    return counted && counted->is_decided;
  });
  return MadeCode{std::move(code), {}};
}

Result<MadeCode> make_scores(const CodeRequest& request) {
  WEFT_TRY(count, integer_or(request.json, "answers", 2, 1, kAnswersMax));
  return MadeCode{parse_scores_function(static_cast<std::size_t>(count)), {}};
}

Result<MadeCode> make_verdict(const CodeRequest& request) {
  WEFT_TRY(margin, number_or(request.json, "margin", 0, 0, 10));
  return MadeCode{verdict_function(margin), {}};
}

Result<MadeCode> make_group(const CodeRequest& request) {
  WEFT_TRY(size, integer_or(request.json, "size", 4, 2, kGroupMax));
  WEFT_TRY(separator, text_or(request.json, "separator", "\n"));
  return MadeCode{group_function({static_cast<std::size_t>(size), std::move(separator)}), {}};
}

}  // namespace

std::vector<CodeKind> list_kinds() {
  return {{"fold", {"with"}, nullptr, make_fold},
          {"parse_numbers", {"in_order"}, nullptr, make_parse_numbers},
          {"merge_sorted", {}, nullptr, make_merge_sorted},
          {"known", {}, nullptr, make_known},
          {"group", {"size", "separator"}, nullptr, make_group},
          {"append", {}, nullptr, make_append},
          {"decided", {"lead"}, nullptr, make_decided},
          {"scores", {"answers"}, nullptr, make_scores},
          {"verdict", {"margin"}, nullptr, make_verdict}};
}

}  // namespace weft::planner::file
