#include "inference/engine.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "inference/backend.h"
#include "inference/decoding.h"
#include "inference/prefix_cache.h"

namespace weft::inference {
namespace {

using Clock = std::chrono::steady_clock;

/// A shorter common beginning isn't worth waiting for.
constexpr std::size_t kSharedTokensMin = 16;

struct GroupState {
  Engine::GroupId id = 0;
  std::size_t depth = 0;
  EngineEvents events;
};

/// One answer, from the queue to its end.
struct Sequence {
  std::shared_ptr<GroupState> group;
  AnswerId answer;
  std::vector<TokenId> prompt;
  std::stop_token stop;
  Decoding decoding;
  std::size_t kv_bytes = 0;  // that it may need

  std::optional<KvCache> cache;  // once admitted
  std::size_t shared = 0;        // tokens of the prompt that it didn't read itself
  Sequence* leader = nullptr;    // reads the beginning of the same prompt
  std::size_t awaited = 0;       // tokens, of the leader's
  std::size_t reading = 0;       // tokens of the present step
  bool cancelled = false;
  Clock::time_point admitted, prefilled;

  bool decodes() const noexcept { return cache && cache->length() >= prompt.size(); }
};

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

std::uint64_t sample_seed(std::uint64_t seed, std::size_t sample) noexcept {
  return seed + sample * 0x9E3779B97F4A7C15ULL;  // 2^64 / golden ratio: far apart
}

struct Engine::State {
  State(std::shared_ptr<const Model> the_model, std::unique_ptr<StepRunner> steps,
        const EngineOptions& wanted)
      : model(std::move(the_model)),
        options(wanted),
        runner(std::move(steps)),
        prefixes(options.kv_bytes_max),
        space{model->numerics()},
        block_bytes(runner->kv_memory()->block_bytes()) {}

  Result<std::vector<std::unique_ptr<Sequence>>> sequences_of(
      const Group& group, const std::shared_ptr<GroupState>& state) const;

  bool step();
  void end_cancelled();
  void admit();
  std::deque<std::unique_ptr<Sequence>>::iterator next_waiting();
  void start(Sequence& sequence);
  void resolve(Sequence& sequence);
  std::vector<Sequence*> plan(std::vector<Slice>& slices);
  Result<void> read_logits(std::span<Sequence* const> reading);
  void end(Sequence& sequence, const Error* error);
  void remove_ended();

  std::shared_ptr<const Model> model;
  EngineOptions options;
  std::unique_ptr<StepRunner> runner;
  PrefixCache prefixes;
  PrefixCache::Space space;
  std::size_t block_bytes;
  std::vector<float> logits;

  std::mutex mutex;  // of what other threads reach
  std::deque<std::unique_ptr<Sequence>> waiting;
  std::vector<GroupId> cancelled;
  GroupId last_id = 0;

  std::vector<std::unique_ptr<Sequence>> active;  // siblings stand together
  std::size_t kv_bytes = 0;                       // that the active ones may need
  GroupId served = 0;                             // the group admitted from last
  EngineCounters counters;
};

Result<Engine> Engine::open(std::shared_ptr<const Model> model, const EngineOptions& options) {
  EngineOptions chosen = options;
  const std::size_t trained = model->config().context_length;
  if (chosen.context_length_max > trained) {
    return Error{ErrorCode::kInvalidArgument,
                 "a context of " + std::to_string(chosen.context_length_max) +
                     " tokens was asked for; the model was trained for " + std::to_string(trained)};
  }
  if (chosen.context_length_max == 0) chosen.context_length_max = trained;
  if (chosen.sequences_max == 0 || chosen.queue_max == 0 || chosen.prefill_tokens_max == 0) {
    return Error{ErrorCode::kInvalidArgument, "the engine's limits must be at least 1"};
  }
  chosen.sequences_max = std::min(chosen.sequences_max, kStepTokensMax / 2);
  WEFT_TRY(runner, model->weights().open_runner());
  return Engine(std::make_unique<State>(std::move(model), std::move(runner), chosen));
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

const Model& Engine::model() const noexcept { return *state_->model; }
bool Engine::step() { return state_->step(); }

EngineCounters Engine::counters() const noexcept {
  EngineCounters counters = state_->counters;
  counters.kv_bytes = state_->prefixes.size_bytes();
  return counters;
}

void Engine::expect(std::span<const TokenId> ids, std::uint64_t steps) {
  state_->prefixes.expect(state_->space, ids, steps);
}

Result<std::vector<std::unique_ptr<Sequence>>> Engine::State::sequences_of(
    const Group& group, const std::shared_ptr<GroupState>& state) const {
  std::vector<std::unique_ptr<Sequence>> made;
  const auto vocabulary = static_cast<TokenId>(model->config().vocabulary);
  for (std::size_t r = 0; r < group.requests.size(); ++r) {
    const Request& request = group.requests[r];
    const auto refuse = [&](const Error& error) {
      return Error{error.code, "request " + std::to_string(r) + ": " + error.message};
    };
    for (const TokenId id : request.prompt) {
      if (id >= 0 && id < vocabulary) continue;
      return refuse({ErrorCode::kInvalidArgument, "token " + std::to_string(id) +
                                                      " is outside the vocabulary of " +
                                                      std::to_string(vocabulary)});
    }
    if (request.samples == 0) return refuse({ErrorCode::kInvalidArgument, "0 samples"});
    if (request.options.on_scored) {
      return refuse({ErrorCode::kInvalidArgument, "the engine doesn't score prompts"});
    }
    const std::size_t length = std::min(
        request.prompt.size() + generated_tokens_max(request.options), options.context_length_max);
    const std::size_t blocks = (length + kKvBlockTokens - 1) / kKvBlockTokens;
    if (blocks * block_bytes > options.kv_bytes_max) {
      return refuse(
          {ErrorCode::kResourceExhausted, "its " + std::to_string(length) + " tokens may need " +
                                              std::to_string(blocks * block_bytes >> 20) +
                                              " MiB of keys and values; the engine may hold " +
                                              std::to_string(options.kv_bytes_max >> 20)});
    }
    for (std::size_t s = 0; s < request.samples; ++s) {
      GenerateOptions sample = request.options;
      sample.sampling.seed = sample_seed(sample.sampling.seed, s);
      const AnswerId answer{r, s};
      OnText on_text;
      if (state->events.on_text) {
        on_text = [events = state.get(), answer](std::string_view text) {
          return events->events.on_text(answer, text);
        };
      }
      auto decoding = Decoding::open(model->tokenizer(), request.prompt, sample,
                                     options.context_length_max, std::move(on_text));
      if (!decoding) return refuse(decoding.error());
      made.push_back(std::make_unique<Sequence>(Sequence{state,
                                                         answer,
                                                         request.prompt,
                                                         request.options.stop_token,
                                                         std::move(*decoding),
                                                         blocks * block_bytes,
                                                         {},
                                                         0,
                                                         nullptr,
                                                         0,
                                                         0,
                                                         false,
                                                         {},
                                                         {}}));
    }
  }
  return made;
}

Result<Engine::GroupId> Engine::submit(Group group, EngineEvents events) {
  auto state = std::make_shared<GroupState>(GroupState{0, group.depth, std::move(events)});
  WEFT_TRY(made, state_->sequences_of(group, state));
  const std::scoped_lock lock(state_->mutex);
  if (state_->waiting.size() + made.size() > state_->options.queue_max) {
    return Error{ErrorCode::kResourceExhausted,
                 "the engine's queue holds " + std::to_string(state_->waiting.size()) + " of " +
                     std::to_string(state_->options.queue_max) + " sequences; " +
                     std::to_string(made.size()) + " more don't fit: try again later"};
  }
  state->id = ++state_->last_id;
  for (auto& sequence : made) state_->waiting.push_back(std::move(sequence));
  return state->id;
}

void Engine::cancel(GroupId group) {
  const std::scoped_lock lock(state_->mutex);
  state_->cancelled.push_back(group);
}

/// Ends what was cancelled, by its group or its stop token, waiting or active.
void Engine::State::end_cancelled() {
  std::vector<std::unique_ptr<Sequence>> gone;
  {
    const std::scoped_lock lock(mutex);
    const auto is_cancelled = [&](const Sequence& s) {
      return s.stop.stop_requested() || std::ranges::count(cancelled, s.group->id) != 0;
    };
    for (auto& sequence : active) sequence->cancelled |= is_cancelled(*sequence);
    for (auto it = waiting.begin(); it != waiting.end();) {
      if (!is_cancelled(**it)) {
        ++it;
        continue;
      }
      gone.push_back(std::move(*it));
      it = waiting.erase(it);
    }
    cancelled.clear();
  }
  for (auto& sequence : gone) {
    sequence->decoding.cancel();
    end(*sequence, nullptr);
  }
  for (auto& sequence : active) {
    if (!sequence->cancelled) continue;
    sequence->decoding.cancel();
    end(*sequence, nullptr);
  }
  remove_ended();
}

/// Of the deepest groups the one after the group served last; the mutex is held.
std::deque<std::unique_ptr<Sequence>>::iterator Engine::State::next_waiting() {
  const auto turn = [&](const Sequence& s) { return s.group->id - served - 1; };  // wraps
  return std::ranges::min_element(waiting, [&](const auto& a, const auto& b) {
    if (a->group->depth != b->group->depth) return a->group->depth > b->group->depth;
    return turn(*a) < turn(*b);
  });
}

void Engine::State::admit() {
  while (active.size() < options.sequences_max) {
    std::unique_ptr<Sequence> next;
    {
      const std::scoped_lock lock(mutex);
      const auto it = next_waiting();
      if (it == waiting.end()) return;
      if (!active.empty() && kv_bytes + (*it)->kv_bytes > options.kv_bytes_max) return;
      next = std::move(*it);
      waiting.erase(it);
    }
    served = next->group->id;
    start(*next);
    // Beside its siblings, so that they attend together.
    const auto sibling = std::ranges::find_if(
        active.rbegin(), active.rend(), [&](const auto& s) { return s->group == next->group; });
    active.insert(sibling.base() == active.begin() ? active.end() : sibling.base(),
                  std::move(next));
  }
}

void Engine::State::start(Sequence& sequence) {
  sequence.admitted = Clock::now();
  kv_bytes += sequence.kv_bytes;
  prefixes.shrink(options.kv_bytes_max - std::min(kv_bytes, options.kv_bytes_max));
  resolve(sequence);
}

/// Finds the beginning of the prompt: in the cache, or at an active sequence, which may still have
/// to read it. The last token is always read, for its logits.
void Engine::State::resolve(Sequence& sequence) {
  const auto prompt = std::span<const TokenId>(sequence.prompt).first(sequence.prompt.size() - 1);
  sequence.leader = nullptr;
  // A prefix is what a sequence that read on would be truncated to.
  const bool can_go_back = runner->kv_memory()->truncate_max() == KvMemory::kNoLimit;
  KvCache found = prefixes.find(space, prompt, runner->kv_memory());
  if (sequence.cache && sequence.cache->length() > found.length()) found = *sequence.cache;
  for (const auto& other : active) {
    if (other.get() == &sequence || other->decoding.ended()) continue;
    const std::size_t common = common_prefix(prompt, other->prompt);
    const std::size_t best = std::max(found.length(), sequence.leader ? sequence.awaited : 0);
    if (!can_go_back || common < best + kSharedTokensMin) continue;
    if (other->cache->length() >= common) {
      found = *other->cache;
      found.truncate(common);
      sequence.leader = nullptr;
    } else if (other->leader == nullptr) {
      sequence.leader = other.get();
      sequence.awaited = common;
    }
  }
  sequence.cache = std::move(found);
  sequence.shared = sequence.cache->length();
}

/// What each sequence reads in this step: a token and its draft, or the next piece of its prompt.
std::vector<Sequence*> Engine::State::plan(std::vector<Slice>& slices) {
  std::vector<Sequence*> reading;
  std::size_t decoding = 0;
  for (const auto& sequence : active) decoding += sequence->decodes() ? 1 : 0;
  std::size_t room = kStepTokensMax - decoding;
  for (const auto& sequence : active) {
    if (!sequence->decodes()) continue;
    const std::size_t drafted = sequence->decoding.next().size() - 1;
    if (decoding > options.draft_sequences_max || drafted > room) {
      sequence->decoding.drop_draft();
    } else {
      room -= drafted;
    }
  }
  if (decoding != 0) room = std::min(room, options.prefill_tokens_max);
  for (const auto& sequence : active) {
    Sequence& s = *sequence;
    if (s.leader != nullptr && s.leader->cache->length() >= s.awaited) {
      s.cache = s.leader->cache;
      s.cache->truncate(s.awaited);
      s.shared = s.awaited;
      s.leader = nullptr;
    }
    const std::size_t held = s.cache->length();
    Slice slice;
    if (s.decodes()) {
      slice = {s.decoding.next(), &*s.cache, 0};
    } else {
      if (s.leader != nullptr || room == 0) continue;
      slice.ids = std::span<const TokenId>(s.prompt).subspan(held);
      slice.ids = slice.ids.first(std::min(room, slice.ids.size()));
      slice.cache = &*s.cache;
      const bool is_last = held + slice.ids.size() == s.prompt.size();
      slice.first_wanted = is_last ? slice.ids.size() - 1 : slice.ids.size();
      room -= slice.ids.size();
      counters.prefilled_tokens += slice.ids.size();
    }
    if (slice.first_wanted < slice.ids.size()) s.decoding.begin();
    s.reading = slice.ids.size();
    slices.push_back(slice);
    reading.push_back(&s);
  }
  return reading;
}

/// Hands the step's logits to the answers they belong to.
Result<void> Engine::State::read_logits(std::span<Sequence* const> reading) {
  struct Row {
    Sequence* sequence;
    std::size_t index;
  };
  std::vector<Row> rows;
  for (Sequence* s : reading) {
    const std::size_t before = s->cache->length() - s->reading;
    if (before >= s->prompt.size()) {
      for (std::size_t i = 0; i < s->reading; ++i) rows.push_back({s, i});
    } else if (s->decodes()) {
      s->prefilled = Clock::now();
      counters.shared_tokens += s->shared;
      rows.push_back({s, 0});
    }
  }
  const std::size_t vocabulary = model->config().vocabulary;
  for (std::size_t begin = 0; begin < rows.size(); begin += kLogitsRowsMax) {
    const std::size_t n = std::min(kLogitsRowsMax, rows.size() - begin);
    if (logits.size() < n * vocabulary) logits.resize(n * vocabulary);
    WEFT_TRY_VOID(runner->logits(begin, n, std::span(logits).first(n * vocabulary)));
    for (std::size_t i = 0; i < n; ++i) {
      const Row& row = rows[begin + i];
      row.sequence->decoding.read(row.index, std::span(logits).subspan(i * vocabulary, vocabulary));
    }
  }
  return {};
}

void Engine::State::end(Sequence& s, const Error* error) {
  const auto now = Clock::now();
  Generation made = std::move(s.decoding).finish();
  made.usage.cached_tokens = s.shared;
  if (s.prefilled != Clock::time_point{}) {
    made.timing.prefill = s.prefilled - s.admitted;
    made.timing.decode = now - s.prefilled;
  } else if (s.cache) {
    made.timing.prefill = now - s.admitted;
  }
  if (s.cache) {
    kv_bytes -= s.kv_bytes;
    // What was read, for prompts to come: not a step that failed halfway.
    if (error == nullptr) {
      std::vector<TokenId> ids = s.prompt;
      ids.insert(ids.end(), made.ids.begin(), made.ids.end());
      ids.resize(std::min(ids.size(), s.cache->length()));
      prefixes.insert(space, ids, *s.cache);
    }
    prefixes.shrink(options.kv_bytes_max - std::min(kv_bytes, options.kv_bytes_max));
  }
  if (!s.group->events.on_end) return;
  if (error != nullptr) {
    s.group->events.on_end(s.answer, *error);
  } else {
    s.group->events.on_end(s.answer, std::move(made));
  }
}

/// Followers of what has ended look for their beginning anew.
void Engine::State::remove_ended() {
  std::vector<std::unique_ptr<Sequence>> gone;
  for (auto& sequence : active) {
    if (sequence->decoding.ended()) gone.push_back(std::move(sequence));
  }
  std::erase(active, nullptr);
  for (const auto& sequence : active) {
    for (const auto& ended : gone) {
      if (sequence->leader == ended.get()) resolve(*sequence);
    }
  }
}

bool Engine::State::step() {
  end_cancelled();
  admit();
  if (active.empty()) return false;
  std::vector<Slice> slices;
  const std::vector<Sequence*> reading = plan(slices);
  ++counters.steps;
  auto read = runner->read(slices);
  if (read) read = read_logits(reading);
  if (!read) {
    for (Sequence* s : reading) {
      s->decoding.cancel();
      end(*s, &read.error());
    }
    remove_ended();
    return true;
  }
  for (Sequence* s : reading) {
    if (!s->decodes()) continue;
    const std::size_t before = s->cache->length() - s->reading;
    if (before >= s->prompt.size()) s->cache->truncate(before + s->decoding.kept());
    const std::size_t answered = s->decoding.ids().size();
    const bool ended = s->decoding.take();
    counters.decoded_tokens += s->decoding.ids().size() - answered;
    if (ended) end(*s, s->decoding.error());
  }
  remove_ended();
  return true;
}

}  // namespace weft::inference
