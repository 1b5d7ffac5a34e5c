#include "planner/recorder.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "planner/value_codec.h"

namespace weft::planner {
namespace {

using Kind = TraceEvent::Kind;
using storage::Database;

std::int64_t nanoseconds(UnixTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

/// Sorts by time, and two runs of one second differ.
Result<std::string> make_name(UnixTime now) {
  WEFT_TRY(random, storage::make_seal_key());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y%m%d-%H%M%S-", &parts);
  std::string name(text.data(), length);
  for (std::size_t i = 0; i < 4; ++i) {
    constexpr char kHex[] = "0123456789abcdef";
    name += kHex[std::to_integer<unsigned>(random[i]) >> 4];
    name += kHex[std::to_integer<unsigned>(random[i]) & 15];
  }
  return name;
}

Result<nlohmann::json> decode_inputs(std::span<const std::byte> bytes, std::size_t count) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  nlohmann::json list =
      nlohmann::json::from_cbor(first, first + bytes.size(), true, /*allow_exceptions=*/false);
  if (list.is_array() && list.size() == count) return list;
  return Error{ErrorCode::kCorrupt, "the recorded inputs aren't as many as the run's program has"};
}

Result<Value> input_value(const Input& input, const nlohmann::json& json) {
  auto value = from_json(*input.type, json);
  if (value) return value;
  return Error{ErrorCode::kCorrupt, "input " + input.name + ": " + value.error().message};
}

std::vector<std::byte> encode_inputs(const std::vector<Value>& inputs) {
  nlohmann::json list = nlohmann::json::array();
  for (const Value& input : inputs) list.push_back(to_json(input));
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(list);
  const auto plain = std::as_bytes(std::span(bytes));
  return {plain.begin(), plain.end()};
}

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::begin(Trace& trace, const AnyProgram& program,
                                                  const std::vector<Value>& inputs,
                                                  const RunOptions& options, const Clock& clock) {
  std::unique_ptr<Recorder> recorder(new Recorder(trace.state_, clock));
  WEFT_TRY_VOID(recorder->create(
      program,
      {.seed = options.seed, .parent = {}, .notes = options.notes, .documents = options.documents},
      encode_inputs(inputs)));
  return recorder;
}

Result<std::unique_ptr<Recorder>> Recorder::open(Trace& trace, std::string_view id,
                                                 const Request& request, const AnyProgram& program,
                                                 const Clock& clock) {
  const Mode mode = request.mode;
  WEFT_TRY(found, trace.state_->find(id));
  if (!found.key) {
    return Error{ErrorCode::kPermissionDenied,
                 "run " + found.name + " is redacted: a document that it used was forgotten"};
  }
  std::unique_ptr<Recorder> recorder(new Recorder(trace.state_, clock));
  recorder->mode_ = mode;
  recorder->resumption_ = request.resumption;
  if (mode != Mode::kFork && program.hash() != found.program_hash) {
    return Error{ErrorCode::kConflict, "run " + found.name +
                                           " is of another program: fork it to try this one on "
                                           "what it has done"};
  }
  if (mode == Mode::kResume && found.status == RunStatus::kDone) {
    return Error{ErrorCode::kInvalidArgument,
                 "run " + found.name + " is done: replay it, or fork it"};
  }
  recorder->run_ = std::make_shared<const RunRow>(found);
  if (mode == Mode::kResume) WEFT_TRY_VOID(recorder->lock());
  WEFT_TRY(inputs, storage::unseal(*found.key, seal_place(found.id, -1), found.inputs));
  recorder->inputs_ = std::move(inputs);
  WEFT_TRY_VOID(recorder->load(found));
  if (mode == Mode::kFork) WEFT_TRY_VOID(recorder->fork(found, program, request));
  recorder->steady_start_ = clock.steady_now();
  if (mode == Mode::kResume) recorder->offset_ = clock.unix_now() - found.started;
  return recorder;
}

/// Makes the new run. The values that it takes over are sealed anew as it takes them.
Result<void> Recorder::fork(const RunRow& from, const AnyProgram& program, const Request& request) {
  WEFT_TRY(text, state_->with_database([&](Database& database) {
    return program_json(database, from.program_hash);
  }));
  WEFT_TRY(before, sketch_program(text));
  WEFT_TRY(list, decode_inputs(inputs_, before->inputs.size()));
  std::vector<Value> values;
  for (const Input& wanted : program.body().inputs) {
    const Value* mine = given(wanted.name);
    const auto known = std::ranges::find(before->inputs, wanted.name, &Input::name);
    if (mine != nullptr && mine->type() != wanted.type) {
      return Error{ErrorCode::kInvalidArgument, "the value given for the input " + wanted.name +
                                                    " is of type " + mine->type()->name + ", not " +
                                                    wanted.type->name};
    }
    if (mine != nullptr) {
      values.push_back(*mine);
    } else if (known == before->inputs.end()) {
      return Error{ErrorCode::kInvalidArgument, "run " + from.name + " has no input " +
                                                    wanted.name +
                                                    ", which this program needs: give its value"};
    } else {
      WEFT_TRY(value, input_value(wanted, list[known->slot]));
      values.push_back(std::move(value));
    }
  }
  stored_.clear();
  next_seq_ = 0;
  return create(program, {.seed = from.seed, .parent = from.name, .notes = request.notes},
                encode_inputs(values));
}

Result<void> Recorder::create(const AnyProgram& program, const Birth& birth,
                              std::span<const std::byte> inputs) {
  inputs_.assign(inputs.begin(), inputs.end());
  RunRow row;
  row.started = clock_.unix_now();
  row.seed = birth.seed;
  row.program_hash = program.hash();
  WEFT_TRY(name, make_name(row.started));
  row.name = std::move(name);
  WEFT_TRY(key, storage::make_seal_key());
  row.key = key;
  steady_start_ = clock_.steady_now();
  const auto created = state_->with_database([&](Database& database) -> Result<void> {
    WEFT_TRY(transaction, storage::Transaction::begin(database));
    WEFT_TRY(known, database.prepare("SELECT 1 FROM program WHERE hash=?1", row.program_hash));
    WEFT_TRY(is_known, known.step());
    if (!is_known) {
      WEFT_TRY(save, database.prepare("INSERT INTO program VALUES(?1, ?2)", row.program_hash,
                                      program.json()));
      WEFT_TRY_VOID(save.run());
    }
    WEFT_TRY(insert, database.prepare("INSERT INTO run(name, program, parent, seed, started_ns, "
                                      "status, seal) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                                      row.name, row.program_hash, birth.parent, row.seed,
                                      nanoseconds(row.started),
                                      static_cast<std::int64_t>(RunStatus::kRunning),
                                      std::span<const std::byte>(*row.key)));
    WEFT_TRY_VOID(insert.run());
    row.id = database.last_insert_rowid();
    WEFT_TRY(sealed, storage::seal(*row.key, seal_place(row.id, -1), inputs_));
    WEFT_TRY(update, database.prepare("UPDATE run SET inputs=?2 WHERE id=?1", row.id,
                                      std::span<const std::byte>(sealed)));
    WEFT_TRY_VOID(update.run());
    for (const auto& [note_name, text] : birth.notes) {
      WEFT_TRY(note,
               database.prepare("INSERT INTO note VALUES(?1, ?2, ?3)", row.id, note_name, text));
      WEFT_TRY_VOID(note.run());
    }
    for (const std::string& document : birth.documents) {
      WEFT_TRY(link, database.prepare("INSERT OR IGNORE INTO run_document VALUES(?1, ?2)", document,
                                      row.id));
      WEFT_TRY_VOID(link.run());
    }
    WEFT_TRY(inherit,
             database.prepare("INSERT OR IGNORE INTO run_document SELECT document, ?1 FROM "
                              "run_document JOIN run ON run.id=run WHERE run.name=?2",
                              row.id, birth.parent));
    WEFT_TRY_VOID(inherit.run());
    return transaction.commit();
  });
  WEFT_TRY_VOID(created);
  run_ = std::make_shared<const RunRow>(std::move(row));
  return lock();
}

Result<void> Recorder::lock() {
  auto held = state_->locks->acquire(run_->id);
  if (!held) return std::move(held).error().with_context("run " + run_->name);
  held_.emplace(*std::move(held));
  if (mode_ != Mode::kResume) return {};
  return state_->with_database([&](Database& database) -> Result<void> {
    WEFT_TRY(update, database.prepare("UPDATE run SET status=?2, error=NULL WHERE id=?1", run_->id,
                                      static_cast<std::int64_t>(RunStatus::kRunning)));
    return update.run();
  });
}

Result<void> Recorder::load(const RunRow& run) {
  return state_->with_database([&](Database& database) {
    return each_event(
        database, run.id, [&](TraceEvent event, std::span<const std::byte> sealed) -> Result<void> {
          next_seq_ = event.seq + 1;
          if (!sealed.empty()) {
            WEFT_TRY(bytes, storage::unseal(*run.key, seal_place(run.id, event.seq), sealed));
            values_.emplace(event.seq, std::move(bytes));
            stored_.emplace(event.digest, event.seq);
          }
          const auto stored = stored_.find(event.digest);
          remember(std::move(event), stored == stored_.end() ? -1 : stored->second);
          return {};
        });
  });
}

void Recorder::remember(TraceEvent event, std::int64_t stored) {
  const auto known = past_.find(event.path);
  const bool was_called = known != past_.end() && known->second.kind == Kind::kIntent;
  if (event.kind == Kind::kRetried || event.kind == Kind::kFailed) lost_ = lost_ + event.spent;
  switch (event.kind) {
    case Kind::kRetried:
    case Kind::kBoundReached:
      return;
    case Kind::kFailed:
      if (mode_ == Mode::kReplay && event.code != ErrorCode::kCancelled) break;
      // What may not happen twice isn't tried again unless somebody says so.
      if (was_called) {
        known->second.message = event.message;
      } else {
        past_.erase(event.path);
      }
      return;
    case Kind::kIntent:
    case Kind::kDone:
    case Kind::kMissing:
    case Kind::kAsked:
    case Kind::kAnswered:
      break;
  }
  past_.insert_or_assign(event.path, Past{.kind = event.kind,
                                          .key = event.key,
                                          .digest = event.digest,
                                          .attempt = event.attempt,
                                          .spent = event.spent,
                                          .code = event.code,
                                          .message = std::move(event.message),
                                          .stored = stored});
}

Result<std::vector<Value>> Recorder::inputs(const AnyProgram& program) const {
  const std::vector<Input>& wanted = program.body().inputs;
  WEFT_TRY(list, decode_inputs(inputs_, wanted.size()));
  std::vector<Value> values;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    WEFT_TRY(value, input_value(wanted[i], list[i]));
    values.push_back(std::move(value));
  }
  return values;
}

const Value* Recorder::given(const std::string& path) {
  const auto found = resumption_.given.find(path);
  if (found == resumption_.given.end()) return nullptr;
  used_.insert(path);
  return &found->second;
}

bool Recorder::is_redone(const std::string& path) {
  for (const std::string& each : resumption_.redo) {
    if (!path.starts_with(each)) continue;
    const bool is_inside = path.size() > each.size() && mode_ == Mode::kFork &&
                           (path[each.size()] == '/' || path[each.size()] == '[');
    if (path.size() > each.size() && !is_inside) continue;
    used_.insert(each);
    return true;
  }
  return false;
}

std::vector<std::string> Recorder::unused() const {
  std::vector<std::string> paths;
  for (const auto& [path, value] : resumption_.given) {
    if (!used_.contains(path)) paths.push_back(path);
  }
  for (const std::string& path : resumption_.redo) {
    if (!used_.contains(path)) paths.push_back(path);
  }
  return paths;
}

std::optional<Past> Recorder::take_past(const std::string& path, const Digest& key) {
  const auto found = past_.find(path);
  if (found == past_.end() || found->second.key != key) return std::nullopt;
  return take_past(path);
}

std::optional<Past> Recorder::take_past(const std::string& path) {
  const auto found = past_.find(path);
  if (found == past_.end()) return std::nullopt;
  Past past = std::move(found->second);
  past_.erase(found);
  return past;
}

Result<Value> Recorder::value(const Past& past, const Type& type) const {
  const auto bytes = values_.find(past.stored);
  if (bytes == values_.end()) {
    return Error{ErrorCode::kCorrupt, "the trace lacks its value"};
  }
  WEFT_TRY(value, decode(type, bytes->second));
  if (value_digest(type, bytes->second) != past.digest) {
    return Error{ErrorCode::kCorrupt, "the trace holds another value than the one it tells of"};
  }
  value.set_digest(past.digest);
  return value;
}

void Recorder::record(TraceEvent event, std::optional<std::vector<std::byte>> bytes,
                      std::vector<std::string> documents) {
  if (mode_ == Mode::kReplay) return;
  event.seq = next_seq_++;
  if (bytes && !stored_.emplace(event.digest, event.seq).second) bytes.reset();
  state_->push({.run = run_,
                .event = std::move(event),
                .bytes = std::move(bytes),
                .documents = std::move(documents)});
}

std::chrono::nanoseconds Recorder::at(SteadyTime time) const {
  return offset_ + (time - steady_start_);
}

std::chrono::nanoseconds Recorder::now() const { return at(clock_.steady_now()); }

Result<void> Recorder::close(RunStatus status, const std::string& error) {
  // The file is let go of with the run, not with whoever still holds the run.
  const std::shared_ptr<Trace::State> state = std::exchange(state_, nullptr);
  if (mode_ == Mode::kReplay) return {};
  state->push({.run = run_, .end = RunEnd{status, error, now()}});
  const Result<void> closed = state->flush();
  held_.reset();
  return closed;
}

}  // namespace weft::planner
