#include "agents/answer_graph.h"

#include <algorithm>
#include <string>
#include <utility>

#include "planner/graph.h"

namespace weft::agents {
namespace {

using planner::Ctx;
using planner::Graph;
using planner::LaneKind;
using planner::Out;
using Options = AnswerOptions;
using Text = std::string;
using Time = std::int64_t;

/// Stops with the run or with whoever listens.
class EitherStop {
 public:
  EitherStop(std::stop_token run, std::stop_token listener)
      : on_run_(std::move(run), Forward{source_}),
        on_listener_(std::move(listener), Forward{source_}) {}
  std::stop_token token() const { return source_.get_token(); }

 private:
  struct Forward {
    std::stop_source& source;
    void operator()() const { source.request_stop(); }
  };
  std::stop_source source_;
  std::stop_callback<Forward> on_run_;
  std::stop_callback<Forward> on_listener_;
};

/// The first `count` passages. Errors: kCorrupt if there are fewer, as no node gives it.
Result<std::vector<retrieval::PassageHit>> first_of(const Retrieved& found, std::size_t count) {
  if (count > found.passages.size()) {
    return Error{ErrorCode::kCorrupt, "the prompt has more passages than were found"};
  }
  return std::vector(found.passages.begin(),
                     found.passages.begin() + static_cast<std::ptrdiff_t>(count));
}

/// The nodes' code. What a stop or an absent part means is decided here, what it costs told here.
class Nodes {
 public:
  explicit Nodes(const AnswerParts& parts) : parts_(parts) {}

  Result<Retrieved> retrieve(Ctx& ctx, const Text& question, const Options& options) const {
    if (parts_.store == nullptr || parts_.listener == nullptr) return absent();
    const Listener& listener = *parts_.listener;
    const EitherStop stop(ctx.stop(), listener.stop);
    WEFT_TRY(hits, parts_.store->search(options.collection, question, options.passages,
                                        {.stop_words = options.stop_words, .stop = stop.token()}));
    Retrieved found{std::move(hits), listener.clock.steady_now() - listener.start};
    for (const retrieval::PassageHit& hit : found.passages) ctx.cite(hit.source);
    log("retrieved", {{"passages", found.passages.size()}, {"seconds", found.time.count()}});
    return found;
  }

  Result<Draft> abstain(const Retrieved& found) const {
    Draft draft;
    draft.answer.first_token = found.time;
    return withhold(std::move(draft));
  }

  Result<ComposedPrompt> compose(const Asked& asked, const Text& identity) const {
    WEFT_TRY_VOID(check_model(identity));
    return parts_.model->compose(asked);
  }

  Result<QuestionAlone> question_alone(Ctx& ctx, const Asked& asked, const Text& identity,
                                       const ComposedPrompt& prompt) const {
    WEFT_TRY_VOID(check_model(identity));
    WEFT_TRY_VOID(check_prompt(asked, prompt));
    const EitherStop stop(ctx.stop(), parts_.listener->stop);
    WEFT_TRY(alone, parts_.model->question_alone(asked, prompt, listener_until(stop)));
    if (alone.tokens > 0) {
      ctx.spend({.prompt_tokens = static_cast<std::int64_t>(alone.tokens), .calls = 1});
    }
    return alone;
  }

  Result<Draft> answer(Ctx& ctx, const Asked& asked, const Text& identity,
                       const ComposedPrompt& prompt, const QuestionAlone& alone) const {
    WEFT_TRY_VOID(check_model(identity));
    WEFT_TRY_VOID(check_prompt(asked, prompt));
    const EitherStop stop(ctx.stop(), parts_.listener->stop);
    WEFT_TRY(draft, parts_.model->answer(asked, prompt, alone, listener_until(stop)));
    Answer& answer = draft.answer;
    const auto read = static_cast<std::int64_t>(answer.usage.prompt_tokens);
    const auto written =
        static_cast<std::int64_t>(answer.usage.think_tokens + answer.usage.answer_tokens);
    ctx.spend({.prompt_tokens = read,
               .output_tokens = written,
               .calls = 1,
               .money_micros = parts_.model->price().of(read, written),
               .cached_tokens = static_cast<std::int64_t>(answer.usage.cached_tokens)});
    answer.usage.probe_tokens = alone.tokens;
    answer.probe = alone.time;
    log("generated", {{"tokens", answer.usage.answer_tokens}, {"confidence", answer.confidence}});
    if (!answer.abstained) return draft;
    if (!parts_.listener->stop.stop_requested()) {
      answer.finish_reason = inference::FinishReason::kStop;  // by the gate, not by a reader
    }
    return withhold(std::move(draft));
  }

 private:
  static Error absent() {
    return {ErrorCode::kInvalidArgument,
            "the program was made to be looked at and replayed, not to be run"};
  }
  Result<void> check_model(const Text& identity) const {
    if (parts_.model == nullptr || parts_.listener == nullptr) return absent();
    if (parts_.model->identity() == identity) return {};
    return Error{ErrorCode::kConflict, "the run is of another model: " + identity};
  }
  static Result<void> check_prompt(const Asked& asked, const ComposedPrompt& prompt) {
    if (prompt.passages <= asked.passages.size() && prompt.turns <= asked.options.history.size()) {
      return {};
    }
    return Error{ErrorCode::kCorrupt, "the prompt has more passages or turns than there are"};
  }
  Listener listener_until(const EitherStop& stop) const {
    const Listener& all = *parts_.listener;
    return {all.on_text, all.on_think, all.clock, all.start, stop.token()};
  }
  Draft withhold(Draft draft) const {
    draft.answer.abstained = true;
    draft.answer.withheld = std::exchange(draft.answer.text, std::string(kAbstention));
    if (parts_.listener->on_text) parts_.listener->on_text(kAbstention);
    return draft;
  }
  void log(std::string_view message, std::initializer_list<LogField> fields) const {
    if (parts_.log != nullptr) parts_.log->log(LogLevel::kInfo, message, fields);
  }

  AnswerParts parts_;
};

/// With what OpenTelemetry calls it.
template <typename... I, typename F>
planner::FunctionPtr labelled(std::string label, F fn) {
  auto made = std::make_shared<planner::Function>(*planner::make_function<I...>(std::move(fn)));
  made->label = std::move(label);
  return made;
}

std::string chat_label(const AnswerModel* model) {
  return model == nullptr || model->name().empty() ? "chat" : "chat " + model->name();
}

std::vector<Citation> cite(const Text& question, const std::vector<retrieval::PassageHit>& passages,
                           const Answer& answer) {
  if (answer.abstained) return {};
  return bind_citations(answer.text, question, passages).citations;
}

}  // namespace

Result<planner::Program<Answer>> answer_program(const AnswerParts& parts) {
  const Nodes nodes(parts);
  Graph graph;
  const auto question = graph.input<Text>("question");
  const auto options = graph.input<Options>("options");
  const auto time = graph.input<Time>("time");
  const auto model = graph.input<Text>("model");

  // Idempotent, not pure: documents change.
  const auto found = graph.call<Retrieved>(
      "retrieve",
      labelled<Text, Options>("retrieval",
                              [nodes](Ctx& ctx, const Text& asked, const Options& with) {
                                return nodes.retrieve(ctx, asked, with);
                              }),
      {.effect = planner::Effect::kIdempotent, .lane = LaneKind::kIo}, question, options);
  const auto is_found = graph.node(
      "found", [](Ctx&, const Retrieved& given) { return !given.passages.empty(); },
      {.recompute = true}, found);

  const auto reply = [&](Graph& inside) {
    const auto prompt = inside.node(
        "compose",
        [nodes](Ctx&, const Text& asked, const Options& with, const Time& now, const Text& identity,
                const Retrieved& given) {
          return nodes.compose({asked, with, now, given.passages}, identity);
        },
        {}, question, options, time, model, found);
    const auto alone = inside.node(
        "question alone",
        [nodes](Ctx& ctx, const Text& asked, const Options& with, const Time& now,
                const Text& identity, const Retrieved& given, const ComposedPrompt& composed) {
          return nodes.question_alone(ctx, {asked, with, now, given.passages}, identity, composed);
        },
        {.lane = LaneKind::kModel}, question, options, time, model, found, prompt);
    return inside.call<Draft>(
        "answer",
        labelled<Text, Options, Time, Text, Retrieved, ComposedPrompt, QuestionAlone>(
            chat_label(parts.model),
            [nodes](Ctx& ctx, const Text& asked, const Options& with, const Time& now,
                    const Text& identity, const Retrieved& given, const ComposedPrompt& composed,
                    const QuestionAlone& likelihood) {
              return nodes.answer(ctx, {asked, with, now, given.passages}, identity, composed,
                                  likelihood);
            }),
        {.lane = LaneKind::kModel}, question, options, time, model, found, prompt, alone);
  };
  const auto nothing = [&](Graph& inside) {
    return inside.node(
        "abstain", [nodes](Ctx&, const Retrieved& given) { return nodes.abstain(given); }, {},
        found);
  };
  const Out<Draft> draft = graph.branch("reply", is_found, reply, nothing);

  const auto citations = graph.node(
      "cite",
      [](Ctx&, const Text& asked, const Retrieved& given,
         const Draft& made) -> Result<std::vector<Citation>> {
        WEFT_TRY(read, first_of(given, made.passages));
        return cite(asked, read, made.answer);
      },
      {}, question, found, draft);
  // Recorded in its parts alone: passages are kept once.
  const auto answer = graph.node(
      "result",
      [](Ctx&, const Retrieved& given, const Draft& made,
         const std::vector<Citation>& bound) -> Result<Answer> {
        WEFT_TRY(read, first_of(given, made.passages));
        Answer whole = made.answer;
        whole.passages = std::move(read);
        whole.citations = bound;
        whole.retrieval = given.time;
        return whole;
      },
      {.recompute = true}, found, draft, citations);
  return graph.build(answer);
}

}  // namespace weft::agents
