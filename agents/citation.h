#pragma once
// Which bytes of which passage support a sentence of an answer. Lexical and exact to read: a
// passage sentence supports an answer's sentence by the share of its content words that it holds,
// weighted by how rare they are in these passages, with the question's words breaking ties between
// places that hold the same answer. No model call: binding takes microseconds.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "retrieval/document.h"

namespace weft::agents {

struct Citation {
  std::size_t n = 0;        // its number in the answer, from 1
  std::size_t passage = 0;  // index into the answer's passages
  std::string source;
  std::size_t start = 0;  // bytes [start, end) of the source's text
  std::size_t end = 0;
  std::size_t answer_start = 0;  // the sentence of the answer that it supports, in bytes
  std::size_t answer_end = 0;
  double support = 0;  // weighted share of the sentence's words found there, 0..1

  friend bool operator==(const Citation&, const Citation&) = default;
};

struct Binding {
  std::vector<Citation> citations;  // at most two a sentence, best first, numbered in that order
  /// Of the best-supported sentence of the answer: what the abstention gate reads.
  double answer_coverage = 0;    // share of its words in the supporting sentence
  double question_coverage = 0;  // share of the question's words there or beside it
  bool verbatim = false;         // it stands there word for word
  std::size_t passage = 0;       // index of the supporting passage
};

/// Binds each sentence of `answer` to the places of `passages` that support it, where any does.
Binding bind_citations(std::string_view answer, std::string_view question,
                       const std::vector<retrieval::PassageHit>& passages);

}  // namespace weft::agents
