#pragma once
// Holds the beginning of an answer back until there is enough of it to decide whether to give it.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agents/confidence.h"
#include "base/clock.h"
#include "inference/generate.h"
#include "retrieval/document.h"

namespace weft::agents {

/// What is a reference is borrowed and outlives the gate.
struct GateOptions {
  std::string_view question;
  const std::vector<retrieval::PassageHit>& passages;
  std::vector<float> question_alone;  // likelihood.h, without passages
  double threshold;                   // 0 gives all, and holds nothing back
  const Clock& clock;
  const inference::OnText& on_text;  // told of what is given, from the decision on
};

struct Verdict {
  double confidence = 0;
  Evidence evidence;
  bool abstains = false;
};

/// Fed by generate(): its scored question, its tokens, its text. Needs itself alone.
class Gate {
 public:
  explicit Gate(GateOptions options) : options_(std::move(options)) {}

  void add_question_token(float log_probability);
  void add_token(float log_probability);

  /// False once the answer is withheld or the reader has gone.
  bool add_text(std::string_view text);

  /// The end of the generation: decides if there was too little to decide before.
  const Verdict& finish();

  const std::string& text() const noexcept { return text_; }        // all of it, given or not
  SteadyTime first_shown() const noexcept { return first_shown_; }  // zero if nothing was

 private:
  void decide();
  bool show();

  GateOptions options_;
  std::vector<float> question_;  // with the passages
  std::vector<float> answer_;
  std::string text_;
  std::size_t shown_ = 0;  // bytes of it
  bool decided_ = false;
  Verdict verdict_;
  SteadyTime first_shown_{};
};

}  // namespace weft::agents
