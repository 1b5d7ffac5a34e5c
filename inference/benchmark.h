#pragma once
// How fast a model runs here and how fast it could: the measurements that `weft bench` and
// tests/bench share, and the bounds by the roofline model.
// Source: Williams et al. 2009 (Roofline).

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>

#include "base/result.h"
#include "inference/model.h"
#include "inference/session.h"

namespace weft::inference {

/// What one measurement does. `seconds` is the clock, which may be that of the CPU time.
struct Benchmark {
  std::size_t prompt = 512;   // tokens that prefill reads, from an empty context
  std::size_t generate = 64;  // tokens that decode adds
  std::size_t context = 0;    // tokens that are there before decoding begins
  std::size_t sequences = 8;  // that decode in one batch after a context that they share
  std::function<double()> seconds;
  std::stop_token stop;

  /// Tokens that a session must hold for all of it.
  std::size_t context_length() const noexcept;
};

/// Tokens a second of reading the prompt. Forgets what the session had read; any tokens serve, as
/// the time doesn't depend on them. Errors: those of Session::append().
Result<double> prefill_rate(Session& session, const Benchmark& benchmark);
/// Tokens a second of greedy decoding, one at a time, without drafts. Likewise.
Result<double> decode_rate(Session& session, const Benchmark& benchmark);
/// Tokens a second of all sequences together, from when each has its first token.
/// Errors: those of Engine::open() and Engine::submit(); kCancelled.
Result<double> batch_rate(const std::shared_ptr<const Model>& model, const Benchmark& benchmark);

/// What a step costs, whatever it runs on.
struct ModelCost {
  double layer_macs = 0;    // multiply-adds of the layers' matrices, a token
  double head_macs = 0;     // of the output matrix, a token that is predicted
  double weight_bytes = 0;  // of all matrices, as packed
};
ModelCost cost_of(const Model& model);
/// Bytes of keys and values in half precision that a token reads after `context` tokens.
double context_bytes(const ModelConfig& config, double context);

/// What the machine allows: see cpu/machine_bounds.h.
struct MachineSpeed {
  double read_bytes_per_s = 0;
  double macs_per_s = 0;  // 0 = isn't known, and bounds nothing
};

/// Tokens a second that no program could exceed on such a machine: prefill by its multiply-adds (0
/// if their rate isn't known), decode by the bytes of a token, a batch by whichever takes longer.
double prefill_bound(const Model& model, const MachineSpeed& machine);
double decode_bound(const Model& model, const MachineSpeed& machine, const Benchmark& benchmark);
double batch_bound(const Model& model, const MachineSpeed& machine, const Benchmark& benchmark);

}  // namespace weft::inference
