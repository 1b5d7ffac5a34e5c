#include "agents/gate.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/fakes/manual_clock.h"

namespace weft::agents {
namespace {

constexpr double kLow = 1e-6;  // below any answer's confidence

struct Fixture {
  std::vector<retrieval::PassageHit> passages = [] {
    retrieval::PassageHit hit;
    hit.source = "tower.txt";
    hit.text = "The tower is 330 metres high.";
    hit.end = hit.text.size();
    hit.score = 5;
    return std::vector{hit};
  }();
  test::ManualClock clock;
  std::string shown;
  bool reader_stays = true;
  inference::OnText on_text = [this](std::string_view text) {
    shown += text;
    return reader_stays;
  };

  Gate gate(double threshold) {
    return Gate({.question = "How high is the tower?",
                 .passages = passages,
                 .question_alone = {-2, -2},
                 .threshold = threshold,
                 .clock = clock,
                 .on_text = on_text});
  }
};

TEST_CASE("a short answer is held to its end, then given whole") {
  Fixture f;
  Gate gate = f.gate(kLow);
  gate.add_question_token(-1);
  gate.add_question_token(-2);
  gate.add_token(-0.1F);
  CHECK(gate.add_text("330 "));
  gate.add_token(-0.1F);
  CHECK(gate.add_text("metres"));
  CHECK(f.shown.empty());
  const Verdict& verdict = gate.finish();
  CHECK_FALSE(verdict.abstains);
  CHECK(verdict.evidence.mean_log_probability == Approx(-0.1));
  CHECK(verdict.evidence.question_explained == Approx(0.25));  // 1 - 3 / 4
  CHECK(f.shown == "330 metres");
}

TEST_CASE("a long answer is decided on after 24 tokens and streams from there") {
  Fixture f;
  Gate gate = f.gate(kLow);
  for (int i = 0; i < 23; ++i) {
    gate.add_token(-0.1F);
    CHECK(gate.add_text("a "));
  }
  CHECK(f.shown.empty());
  gate.add_token(-0.1F);
  CHECK(gate.add_text("b "));
  CHECK(f.shown.size() == 48);
  gate.add_token(-0.1F);
  CHECK(gate.add_text("c "));
  CHECK(f.shown.ends_with("b c "));
  CHECK_FALSE(gate.finish().abstains);
  CHECK(gate.text().size() == 50);
}

TEST_CASE("without a threshold an answer streams from its first token, judged as it would be") {
  Fixture held, f;
  Gate waiting = held.gate(kLow), gate = f.gate(0);
  for (Gate* each : {&waiting, &gate}) CHECK(each->add_text("The "));  // the prefill
  CHECK(f.shown.empty());
  for (int i = 0; i < 30; ++i) {
    for (Gate* each : {&waiting, &gate}) {
      each->add_token(i < 24 ? -0.1F : -7.0F);
      CHECK(each->add_text(i == 0 ? "tower " : "a "));
    }
    if (i == 0) CHECK(f.shown == "The tower ");
  }
  CHECK(gate.finish().evidence.values() == waiting.finish().evidence.values());
  CHECK(gate.finish().confidence == waiting.finish().confidence);
  CHECK(f.shown == gate.text());
  CHECK(held.shown == f.shown);
}

TEST_CASE("what is withheld is never shown and ends the generation") {
  Fixture f;
  Gate gate = f.gate(1);
  bool goes_on = true;
  for (int i = 0; goes_on && i < 100; ++i) {
    gate.add_token(-0.1F);
    goes_on = gate.add_text("a ");
  }
  CHECK_FALSE(goes_on);
  CHECK(gate.text().size() == 48);
  CHECK(gate.finish().abstains);
  CHECK(f.shown.empty());
  CHECK(gate.first_shown() == SteadyTime{});
}

TEST_CASE("an answer that says it knows nothing, or nothing at all, has no confidence") {
  Fixture f;
  Gate unknown = f.gate(0.01);
  unknown.add_token(0);
  CHECK(unknown.add_text("Not mentioned."));
  CHECK(unknown.finish().confidence == 0);
  CHECK(f.gate(0.01).finish().confidence == 0);
  CHECK(f.shown.empty());
}

TEST_CASE("a reader who leaves ends the generation") {
  Fixture f;
  f.reader_stays = false;
  Gate gate = f.gate(kLow);
  bool goes_on = true;
  int tokens = 0;
  for (; goes_on && tokens < 100; ++tokens) {
    gate.add_token(-0.1F);
    goes_on = gate.add_text("a ");
  }
  CHECK(tokens == 24);
}

}  // namespace
}  // namespace weft::agents
