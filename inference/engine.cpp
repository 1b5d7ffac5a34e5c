#include "inference/engine.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "inference/backend.h"
#include "inference/engine_queue.h"
#include "inference/prefix_cache.h"
#include "inference/step_logits.h"

namespace weft::inference {
namespace {

using Clock = Sequence::Clock;

/// A shorter common beginning isn't worth waiting for.
constexpr std::size_t kSharedTokensMin = 16;

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
        queue(model, options, runner->kv_memory()),
        logits(model->config()) {}

  bool step();
  void end_cancelled();
  void admit();
  PrefixCache::Space space_of(const Sequence& sequence) const {
    PrefixCache::Space own = space;
    own.numerics = numerics_of(*model, sequence.adapter.get());
    own.policy = sequence.policy;
    return own;
  }
  std::shared_ptr<const KvMemory> memory_of(const Sequence& sequence) const {
    return memory_for(runner->kv_memory(), sequence.attached());
  }
  void start(Sequence& sequence);
  void resolve(Sequence& sequence);
  void make_room();
  void share_room(std::size_t room);
  std::vector<Sequence*> plan(std::vector<Slice>& slices);
  Result<void> read_logits(std::span<Sequence* const> reading);
  void end(Sequence& sequence, const Error* error);
  void remove_ended();

  std::shared_ptr<const Model> model;
  EngineOptions options;
  std::unique_ptr<StepRunner> runner;
  PrefixCache prefixes;
  PrefixCache::Space space;
  EngineQueue queue;
  StepLogits logits;

  Sequences active;          // siblings stand together
  std::size_t kv_bytes = 0;  // that the active ones may need
  GroupId served = 0;        // the group admitted from last
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
  counters.kept_bytes = state_->queue.kept_bytes();
  return counters;
}

void Engine::expect(std::span<const TokenId> ids, std::uint64_t steps) {
  state_->prefixes.expect(state_->space, ids, steps);
}

Result<Engine::GroupId> Engine::submit(Group group, EngineEvents events) {
  return state_->queue.submit(std::move(group), std::move(events));
}
Result<std::size_t> Engine::add(GroupId group, const Request& request) {
  return state_->queue.add(group, request);
}
void Engine::close(GroupId group) { state_->queue.close(group); }
void Engine::cancel(GroupId group) { state_->queue.cancel(group); }

void Engine::State::end_cancelled() {
  for (const auto& sequence : queue.take_cancelled(active)) {
    sequence->decoding.cancel();
    end(*sequence, nullptr);
  }
  for (const auto& sequence : active) {
    if (!sequence->cancelled) continue;
    sequence->decoding.cancel();
    end(*sequence, nullptr);
  }
  remove_ended();
}

void Engine::State::admit() {
  while (active.size() < options.sequences_max) {
    auto next = queue.take_next(served, kv_bytes);
    if (next == nullptr) return;
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
  resolve(sequence);
  // What it has found it holds now: others may forget it.
  queue.shrink_kept(options.kv_bytes_max - std::min(kv_bytes, options.kv_bytes_max),
                    *sequence.group);
  make_room();
}

/// Evicts prefixes that the active sequences and the open groups leave no room for.
void Engine::State::make_room() {
  const std::size_t taken = kv_bytes + queue.kept_bytes();
  prefixes.shrink(options.kv_bytes_max - std::min(taken, options.kv_bytes_max));
}

/// Finds the beginning of the prompt: in the cache, or at an active sequence, which may still have
/// to read it. The last token is always read, for its logits.
void Engine::State::resolve(Sequence& sequence) {
  const auto prompt = std::span<const TokenId>(sequence.prompt).first(sequence.prompt.size() - 1);
  sequence.leader = nullptr;
  if (reads_all(sequence.attached())) {
    if (!sequence.cache) sequence.cache.emplace(memory_of(sequence));
    return;
  }
  // A prefix is what a sequence that read on would be truncated to.
  const bool can_go_back = runner->kv_memory()->truncate_max() == KvMemory::kNoLimit;
  KvCache found = prefixes.find(space_of(sequence), prompt, memory_of(sequence));
  if (auto kept = queue.kept(sequence); kept.length() > found.length()) found = std::move(kept);
  if (sequence.cache && sequence.cache->length() > found.length()) found = *sequence.cache;
  for (const auto& other : active) {
    if (other.get() == &sequence || other->decoding.ended()) continue;
    if (other->adapter != sequence.adapter) continue;  // it reads something else
    if (changes_keys(other->attached()) || other->policy != sequence.policy) continue;
    const std::size_t common = common_prefix(prompt, other->prompt);
    const std::size_t best = std::max(found.length(), sequence.leader ? sequence.awaited : 0);
    if (!can_go_back || common < best + kSharedTokensMin) continue;
    if (other->cache->length() >= common) {
      if (!other->cache->can_truncate(common)) continue;  // a window has left it behind
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

/// How many tokens of its prompt each sequence reads in this step, of `room` together. Half of them
/// are for those with the least left, so that a short prompt needn't wait for a long one; the rest
/// goes by turn, so that a long one is never left standing.
void Engine::State::share_room(std::size_t room) {
  const auto left = [](const Sequence* s) {
    return s->prompt.size() - s->cache->length() - s->reading;
  };
  std::vector<Sequence*> readers;
  for (const auto& s : active) {
    s->reading = 0;
    if (!s->decodes() && s->leader == nullptr) readers.push_back(s.get());
  }
  const auto give = [&](std::span<Sequence* const> order, std::size_t tokens) {
    for (Sequence* s : order) {
      const std::size_t given = std::min(tokens, left(s));
      s->reading += given;
      tokens -= given;
    }
    return tokens;
  };
  auto nearest = readers;
  std::ranges::stable_sort(nearest, {}, left);
  const std::size_t half = room / 2;
  give(readers, room - half + give(nearest, half));
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
  for (const auto& s : active) {
    if (s->leader == nullptr || s->leader->cache->length() < s->awaited) continue;
    s->cache = s->leader->cache;
    s->cache->truncate(s->awaited);
    s->shared = s->awaited;
    s->leader = nullptr;
  }
  share_room(room);
  for (const auto& sequence : active) {
    Sequence& s = *sequence;
    Slice slice{.ids = s.decoding.next(), .cache = &*s.cache};
    if (s.adapter != nullptr) slice.adapter = &s.adapter->weights();
    if (s.hooks) slice.hooks = &*s.hooks;
    if (!s.decodes()) {
      if (s.reading == 0) continue;
      const std::size_t held = s.cache->length();
      slice.ids = std::span<const TokenId>(s.prompt).subspan(held, s.reading);
      const bool is_last = held + s.reading == s.prompt.size();
      slice.first_wanted = is_last ? s.reading - 1 : s.reading;
      counters.prefilled_tokens += s.reading;
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
  return logits.read(
      *runner,
      {.count = rows.size(),
       .hooks = [&](std::size_t i) { return rows[i].sequence->attached(); },
       .needed = [&](std::size_t i) { return rows[i].sequence->decoding.needed(rows[i].index); },
       .on_row =
           [&](std::size_t i, std::span<const float> row) {
             rows[i].sequence->decoding.read(rows[i].index, row);
           }});
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
    if (error == nullptr && !changes_keys(s.attached())) {
      std::vector<TokenId> ids = s.prompt;
      ids.insert(ids.end(), made.ids.begin(), made.ids.end());
      ids.resize(std::min(ids.size(), s.cache->length()));
      prefixes.insert(space_of(s), ids, *s.cache);
      queue.keep(s);
    }
    make_room();
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
  Sequences gone;
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
    drop_hidden(*s->cache, s->attached());
    if (s->hooks && s->hooks->error() != nullptr) {
      s->decoding.cancel();
      end(*s, s->hooks->error());
    }
    if (s->decoding.ended() || !s->decodes()) continue;
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
