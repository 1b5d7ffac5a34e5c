#include "planner/graph_file_kinds.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "inference/sampler.h"
#include "planner/graph_file_form.h"
#include "planner/json_value.h"
#include "planner/nodes/model.h"
#include "planner/nodes/score.h"
#include "planner/nodes/text.h"
#include "planner/nodes/vote.h"
#include "tools/json_text.h"

namespace weft::planner {
namespace {

struct TypeNames {
  std::map<std::string, const Type*> by_name;
  std::map<const Type*, const Type*> list;
  std::map<const Type*, const Type*> partial;

  template <typename T>
  void add() {
    by_name[type_of<T>()->name] = type_of<T>();
    list[type_of<T>()] = type_of<std::vector<T>>();
    partial[type_of<T>()] = type_of<Partial<T>>();
  }
  template <typename T>
  void add_all() {
    add<T>();
    add<std::vector<T>>();
    by_name[type_of<std::vector<std::vector<T>>>()->name] = type_of<std::vector<std::vector<T>>>();
  }
};

const TypeNames& types() {
  static const TypeNames known = [] {
    TypeNames made;
    made.add_all<std::string>();
    made.add_all<std::int64_t>();
    made.add_all<double>();
    made.add_all<bool>();
    made.add_all<nlohmann::json>();
    return made;
  }();
  return known;
}

}  // namespace

Result<const Type*> graph_type(const std::string& name) {
  const auto found = types().by_name.find(name);
  if (found != types().by_name.end()) return found->second;
  return Error{ErrorCode::kNotFound, "there is no type \"" + name +
                                         "\": take text, int, number, bool, json, list<text>, "
                                         "list<list<text>> and so on"};
}

namespace file {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;

constexpr const char* kNoModel = "the graph was loaded without a model";
constexpr std::int64_t kTokensMax = 1'000'000;
constexpr std::int64_t kSamplesMax = 1000;
constexpr std::int64_t kPassagesMax = 1000;
constexpr std::int64_t kBytesMax = 64 << 20;

/// Code of a node that can be looked at, but not run.
FunctionPtr stand_in(Types inputs, const Type* output, const char* missing) {
  auto made = std::make_shared<Function>();
  made->inputs = std::move(inputs);
  made->output = output;
  made->run = [missing](Ctx&, Arguments) -> Result<Value> {
    return Error{ErrorCode::kInvalidArgument, missing};
  };
  return made;
}

Result<const Type*> gives(const Json& json, const Type* usual) {
  WEFT_TRY(name, text_or(json, "gives", usual->name));
  auto type = graph_type(name);
  if (!type) return std::move(type).error().with_context("\"gives\"");
  return type;
}

Result<inference::GenerateOptions> generate_options(const CodeRequest& request) {
  const Json& json = request.json;
  inference::GenerateOptions options = request.parts.options;
  WEFT_TRY(max_tokens, integer_or(json, "max_tokens", 256, 1, kTokensMax));
  WEFT_TRY(temperature, number_or(json, "temperature", 0, 0, 100));
  WEFT_TRY(top_k, integer_or(json, "top_k", 0, 0, kTokensMax));
  WEFT_TRY(top_p, number_or(json, "top_p", 1, 0, 1));
  WEFT_TRY(min_p, number_or(json, "min_p", 0, 0, 1));
  WEFT_TRY(seed, integer_or(json, "seed", 0, 0, INT64_MAX));
  WEFT_TRY(stop, texts_or(json, "stop", {}));
  options.max_tokens = static_cast<std::size_t>(max_tokens);
  options.sampling = {.temperature = static_cast<float>(temperature),
                      .top_k = static_cast<std::size_t>(top_k),
                      .top_p = static_cast<float>(top_p),
                      .min_p = static_cast<float>(min_p),
                      .seed = static_cast<std::uint64_t>(seed)};
  WEFT_TRY_VOID(validate(options.sampling));
  if (std::any_of(stop.begin(), stop.end(), [](const Text& s) { return s.empty(); })) {
    return wrong("a text in \"stop\" is empty");
  }
  options.stop = std::move(stop);
  return options;
}

Result<MadeCode> make_llm(const CodeRequest& request) {
  const Json& json = request.json;
  WEFT_TRY(options, generate_options(request));
  WEFT_TRY(system, text_or(json, "system", ""));
  WEFT_TRY(is_raw, bool_or(json, "raw", false));
  WEFT_TRY(samples, integer_or(json, "samples", 1, 1, kSamplesMax));
  WEFT_TRY(prompt_tokens, integer_or(json, "prompt_tokens_max", 2048, 1, kTokensMax));
  if (is_raw && !system.empty()) return wrong("a raw prompt has no \"system\" message");
  if (samples > 1 && options.sampling.temperature == 0) {
    return wrong("all " + std::to_string(samples) +
                 " samples would be the same: set \"temperature\" above 0");
  }
  WEFT_TRY(form, read_form(json, request.parts));
  const auto count = static_cast<std::size_t>(samples);
  if (request.parts.model == nullptr) {
    const Type* type = samples > 1 ? type_of<Texts>() : type_of<Text>();
    return MadeCode{stand_in(Types(request.inputs.size(), type_of<Text>()), type, kNoModel),
                    ModelNodes::policy(prompt_tokens, options, count)};
  }
  PromptNode node{.prompt = *request.prompt,
                  .system = std::move(system),
                  .is_raw = is_raw,
                  .samples = count,
                  .prompt_tokens_max = static_cast<std::size_t>(prompt_tokens),
                  .form = {},
                  .options = std::move(options)};
  if (form.automaton != nullptr) WEFT_TRY_VOID(request.parts.model->hold(node, form));
  MadeCode made{.policy = request.parts.model->policy_of(node)};
  made.code = request.parts.model->prompt(std::move(node));
  return made;
}

Result<MadeCode> make_score(const CodeRequest& request) {
  WEFT_TRY(is_mean, bool_or(request.json, "mean", false));
  WEFT_TRY(tokens, integer_or(request.json, "prompt_tokens_max", 2048, 1, kTokensMax));
  const ScoreOptions options{is_mean, static_cast<std::size_t>(tokens)};
  if (request.parts.weights == nullptr && request.parts.model != nullptr) {
    return Error{ErrorCode::kUnsupported,
                 "it scores texts, which a remote model can't be asked for: take one in this "
                 "process"};
  }
  if (request.parts.weights == nullptr) {
    return MadeCode{
        stand_in({type_of<Text>(), type_of<Texts>()}, type_of<std::vector<double>>(), kNoModel),
        score_policy(options)};
  }
  return MadeCode{score_function(request.parts.weights, options), score_policy(options)};
}

Result<MadeCode> make_tool(const CodeRequest& request) {
  WEFT_TRY(name, text(request.json, "tool"));
  WEFT_TRY(type, gives(request.json, type_of<Json>()));
  WEFT_TRY(tool, request.registry->find(name));
  const Json constants = request.json.value("arguments", Json::object());
  WEFT_TRY(code, tool_function({request.registry, name, request.inputs, type}, constants));
  return MadeCode{code, tool_policy(*tool)};
}

Result<MadeCode> make_retrieve(const CodeRequest& request) {
  WEFT_TRY(passages, integer_or(request.json, "passages", 4, 1, kPassagesMax));
  if (!request.parts.retrieve) {
    return MadeCode{stand_in({type_of<Text>()}, type_of<Texts>(),
                             "the graph was loaded without a collection to search"),
                    {}};
  }
  auto code = make_function<Text>(
      [retrieve = request.parts.retrieve, count = static_cast<std::size_t>(passages)](
          Ctx& ctx, const Text& query) -> Result<Texts> {
        WEFT_TRY(found, retrieve(query, count, ctx.stop()));
        Texts texts;
        for (RetrievedPassage& passage : found) {
          ctx.cite(std::move(passage.source));
          texts.push_back(std::move(passage.text));
        }
        return texts;
      });
  auto labelled = std::make_shared<Function>(*code);
  labelled->label = "retrieval";
  return MadeCode{std::move(labelled), {.lane = LaneKind::kIo}};
}

Result<MadeCode> make_split_lines(const CodeRequest&) {
  return MadeCode{make_function<Text>([](Ctx&, const Text& text) { return split_lines(text); }),
                  {}};
}

Result<MadeCode> make_split_blocks(const CodeRequest& request) {
  WEFT_TRY(bytes, integer_or(request.json, "bytes_max", 2000, 4, kBytesMax));
  WEFT_TRY(overlap, integer_or(request.json, "overlap", 0, 0, kBytesMax));
  const BlockOptions options{static_cast<std::size_t>(bytes), static_cast<std::size_t>(overlap)};
  WEFT_TRY_VOID(split_blocks("", options));
  return MadeCode{make_function<Text>(
                      [options](Ctx&, const Text& text) { return split_blocks(text, options); }),
                  {}};
}

Result<MadeCode> make_join(const CodeRequest& request) {
  WEFT_TRY(separator, text_or(request.json, "separator", "\n"));
  return MadeCode{join_function(std::move(separator)), {}};
}

Result<MadeCode> make_concat(const CodeRequest& request) {
  WEFT_TRY(separator, text_or(request.json, "separator", ""));
  return MadeCode{concat_function(std::move(separator), request.inputs.size()), {}};
}

Result<MadeCode> make_list(const CodeRequest& request) {
  return MadeCode{list_function(request.inputs.size()), {}};
}

Result<MadeCode> make_format(const CodeRequest& request) {
  return MadeCode{format_function(*request.prompt), {}};
}

Result<MadeCode> make_parse_number(const CodeRequest& request) {
  WEFT_TRY(which, text_or(request.json, "which", "last"));
  if (which != "first" && which != "last") return wrong("\"which\" is first or last");
  const Which side = which == "first" ? Which::kFirst : Which::kLast;
  return MadeCode{
      make_function<Text>([side](Ctx&, const Text& text) { return parse_number(text, side); }), {}};
}

Result<MadeCode> make_parse_json(const CodeRequest&) {
  return MadeCode{
      make_function<Text>([](Ctx&, const Text& text) { return tools::parse_json(text); }), {}};
}

Result<MadeCode> make_pick(const CodeRequest& request) {
  WEFT_TRY(pointer, text(request.json, "pointer"));
  WEFT_TRY(type, gives(request.json, type_of<Json>()));
  WEFT_TRY(code, pick_function(pointer, type));
  return MadeCode{code, {}};
}

/// The type of the only input.
Result<const Type*> only_input(const CodeRequest& request) {
  if (request.inputs.size() == 1) return request.inputs[0].type;
  return wrong("it takes 1 input, not " + std::to_string(request.inputs.size()));
}

Result<MadeCode> make_count(const CodeRequest& request) {
  WEFT_TRY(type, only_input(request));
  if (type->kind != Type::Kind::kList) {
    return wrong("it counts the elements of a list, not of a value of type " + type->name);
  }
  return MadeCode{count_function(type), {}};
}

Result<MadeCode> make_show(const CodeRequest& request) {
  WEFT_TRY(type, only_input(request));
  return MadeCode{show_function(type), {}};
}

Result<MadeCode> make_sum(const CodeRequest&) {
  return MadeCode{make_function<std::vector<double>>([](Ctx&, const std::vector<double>& numbers) {
                    double sum = 0;
                    for (const double number : numbers) sum += number;
                    return sum;
                  }),
                  {}};
}

Result<MadeCode> make_equals(const CodeRequest&) {
  return MadeCode{make_function<Text, Text>([](Ctx&, const Text& a, const Text& b) {
                    return normalised(a) == normalised(b);
                  }),
                  {}};
}

Result<MadeCode> make_contains(const CodeRequest& request) {
  WEFT_TRY(what, text(request.json, "text"));
  return MadeCode{make_function<Text>([what = normalised(what)](Ctx&, const Text& text) {
                    return normalised(text).find(what) != Text::npos;
                  }),
                  {}};
}

Result<MadeCode> make_vote(const CodeRequest& request) {
  WEFT_TRY(lead, integer_or(request.json, "lead", 0, 0, kSamplesMax));
  return MadeCode{vote_function({.lead = static_cast<std::size_t>(lead)}), {}};
}

Result<MadeCode> make_select(const CodeRequest&) { return MadeCode{select_function(), {}}; }
Result<MadeCode> make_first(const CodeRequest&) { return MadeCode{first_function(), {}}; }

}  // namespace

const std::vector<CodeKind>& code_kinds() {
  static const std::vector<CodeKind> kinds = {
      {"llm",
       {"prompt", "prompt_file", "system", "raw", "samples", "max_tokens", "temperature", "top_k",
        "top_p", "min_p", "seed", "stop", "prompt_tokens_max", "schema", "schema_file", "grammar",
        "regex"},
       "prompt",
       make_llm},
      {"score", {"mean", "prompt_tokens_max"}, nullptr, make_score},
      {"tool", {"tool", "arguments", "gives"}, nullptr, make_tool},
      {"retrieve", {"passages"}, nullptr, make_retrieve},
      {"split_lines", {}, nullptr, make_split_lines},
      {"split_blocks", {"bytes_max", "overlap"}, nullptr, make_split_blocks},
      {"join", {"separator"}, nullptr, make_join},
      {"concat", {"separator"}, nullptr, make_concat},
      {"list", {}, nullptr, make_list},
      {"format", {"format", "format_file"}, "format", make_format},
      {"parse_number", {"which"}, nullptr, make_parse_number},
      {"parse_json", {}, nullptr, make_parse_json},
      {"pick", {"pointer", "gives"}, nullptr, make_pick},
      {"count", {}, nullptr, make_count},
      {"show", {}, nullptr, make_show},
      {"sum", {}, nullptr, make_sum},
      {"equals", {}, nullptr, make_equals},
      {"contains", {"text"}, nullptr, make_contains},
      {"vote", {"lead"}, nullptr, make_vote},
      {"select", {}, nullptr, make_select},
      {"first", {}, nullptr, make_first},
  };
  return kinds;
}

Result<const Type*> list_of(const Type* type) {
  const auto found = types().list.find(type);
  if (found != types().list.end()) return found->second;
  return wrong("a list of values of type " + type->name + " is too deep");
}

Result<const Type*> partial_of(const Type* type) {
  const auto found = types().partial.find(type);
  if (found != types().partial.end()) return found->second;
  return wrong("a list of values of type " + type->name + " is too deep");
}

FunctionPtr values_function(const Type* partial, const Type* list) {
  auto made = std::make_shared<Function>();
  made->inputs = {partial};
  made->output = list;
  made->run = [list](Ctx&, Arguments in) -> Result<Value> {
    return list->join({.values = in[0]->type()->split(*in[0]).values});
  };
  return made;
}

}  // namespace file
}  // namespace weft::planner
