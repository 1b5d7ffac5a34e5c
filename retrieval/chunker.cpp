#include "retrieval/chunker.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "retrieval/blocks.h"
#include "retrieval/encoding.h"
#include "retrieval/sentences.h"

namespace weft::retrieval {
namespace {

constexpr std::size_t kHeadingBytesMax = 160;  // of each part of a heading path
constexpr std::size_t kWordBytesMax = 256;     // a longer run without blanks is cut anywhere
constexpr std::size_t kPieceBytes = 64;        // into pieces of that size
constexpr std::string_view kPathSeparator = " > ";

// How good a place to cut lies before an atom; the higher the better.
enum Border : std::uint8_t { kInWord, kWord, kSentence, kBlock, kGlued };
// A cut at a better border is preferred as long as the passage is at least that full (percent).
// kGlued: never, since that atom follows its heading.
constexpr std::array<std::size_t, 4> kFillMin = {0, 50, 35, 55};

// What is never cut further: a sentence, a line of code, a table that fits, a word.
struct Atom {
  std::size_t start = 0, end = 0;
  std::size_t tokens = 0;
  Border before = kSentence;
};

// Whether each line is "[name]: target", which Markdown doesn't show.
bool is_link_definitions(std::string_view block) {
  for (std::size_t at = 0; at < block.size();) {
    const Line line = line_at(block, at);
    const auto words = block.substr(line.start, line.end - line.start);
    if (!words.starts_with('[') || words.starts_with("[^") || words.find("]: ") == words.npos) {
      return false;
    }
    at = line.next;
  }
  return true;
}

class Chunker {
 public:
  Chunker(const Extracted& document, const TokenCounter& count, const ChunkOptions& options)
      : text_(document.text), title_(document.title), count_(count), options_(options) {}

  std::vector<Passage> run(const std::vector<Block>& blocks) {
    std::vector<Block> headings;  // without text under them so far
    for (const Block& block : blocks) {
      if (block.kind == BlockKind::kHeading) {
        pack();
        push_heading(block);
        // A heading right after a heading shares its section: alone it would say nothing.
        headings.push_back(block);
        continue;
      }
      const auto words = of({block.start, block.end});
      if (!headings.empty() && is_link_definitions(words)) {
        headings.push_back(block);  // an anchor, not yet text
        continue;
      }
      if (atoms_.empty()) begin_section(headings);
      add_block(block);
    }
    pack();
    if (!headings.empty()) begin_section(headings);
    pack();
    return std::move(passages_);
  }

 private:
  std::string_view of(ByteSpan span) const { return span.of(text_); }

  ByteSpan trimmed(ByteSpan span) const {
    while (span.start < span.end && is_space(text_[span.start])) ++span.start;
    while (span.end > span.start && is_space(text_[span.end - 1])) --span.end;
    return span;
  }

  std::size_t bytes_max() const { return options_.tokens_max * options_.bytes_per_token_max; }

  // --- The heading path.

  void push_heading(const Block& block) {
    std::erase_if(headings_, [&](const auto& entry) { return entry.first >= block.level; });
    const auto heading = of({block.start, block.end});
    headings_.emplace_back(block.level, heading_text(heading, kHeadingBytesMax));
  }

  std::string path_from(std::size_t first) const {
    std::vector<std::string_view> parts;
    const auto title = std::string_view(title_).substr(0, floor_border(title_, kHeadingBytesMax));
    if (!title.empty() && (headings_.empty() || headings_[0].second != title)) {
      parts.push_back(title);
    }
    for (const auto& [level, words] : headings_) {
      if (!words.empty()) parts.push_back(words);
    }
    std::string path;
    for (std::size_t i = std::min(first, parts.size()); i < parts.size(); ++i) {
      if (!path.empty()) path += kPathSeparator;
      path += parts[i];
    }
    return path;
  }

  // Takes the headings: their path is known now, so their atoms can be sized for it.
  void begin_section(std::vector<Block>& headings) {
    fit_path();
    for (const Block& block : headings) add_span({block.start, block.end}, kBlock);
    headings_end_ = atoms_.size();
    headings.clear();
  }

  // The path may take half of a passage at most. Seven parts (a title, six levels) at most.
  void fit_path() {
    for (std::size_t first = 0;; ++first) {
      path_ = path_from(first);
      const std::size_t tokens = path_.empty() ? 0 : count_(path_);
      if (tokens * 2 <= options_.tokens_max) {
        limit_ = options_.tokens_max - tokens;
        return;
      }
    }
  }

  // --- Blocks to atoms.

  void add_block(const Block& block) {
    const ByteSpan span = trimmed({block.start, block.end});
    const Border border = !atoms_.empty() && atoms_.size() == headings_end_ ? kGlued : kBlock;
    const bool solid = block.kind != BlockKind::kParagraph;
    if (solid && add_if_fits(span, border)) return;
    if (block.kind == BlockKind::kParagraph) {
      add_sentences(span, border);
      return;
    }
    bool first = true;
    for (std::size_t at = span.start; at < span.end;) {
      const Line line = line_at(text_.substr(0, span.end), at);
      at = line.next;
      const ByteSpan words = trimmed({line.start, line.end});
      if (words.size() == 0) continue;
      const bool wrapped = block.kind == BlockKind::kList && !is_list_item(of(words));
      add_span(words, first ? border : wrapped ? kWord : kSentence);
      first = false;
    }
  }

  bool add_if_fits(ByteSpan span, Border before) {
    if (span.size() > bytes_max()) return false;
    // A counter may see nothing in control characters; an atom costs one token at least.
    const std::size_t tokens = std::max<std::size_t>(count_(of(span)), 1);
    if (tokens > limit_) return false;
    atoms_.push_back({span.start, span.end, tokens, before});
    return true;
  }

  void add_span(ByteSpan span, Border before) {
    span = trimmed(span);
    if (span.size() > 0 && !add_if_fits(span, before)) add_sentences(span, before);
  }

  void add_sentences(ByteSpan span, Border before) {
    for (const ByteSpan& part : sentences(of(span))) {
      const ByteSpan sentence{span.start + part.start, span.start + part.end};
      if (!add_if_fits(sentence, before)) add_words(sentence, before);
      before = kSentence;
    }
  }

  void add_words(ByteSpan span, Border before) {
    for (std::size_t at = span.start; at < span.end;) {
      std::size_t end = at;
      while (end < span.end && !is_space(text_[end])) ++end;
      const ByteSpan word{at, end};
      if (word.size() > 0) {
        if (word.size() > kWordBytesMax || !add_if_fits(word, before)) add_pieces(word, before);
        before = kWord;
      }
      at = end + 1;
    }
  }

  void add_pieces(ByteSpan word, Border before) {
    for (std::size_t at = word.start; at < word.end;) {
      std::size_t end = at;
      // Halve until it fits; a single character is taken as it is.
      for (std::size_t size = kPieceBytes;; size /= 2) {
        end = std::min(border_after(at, size), word.end);
        if (add_if_fits({at, end}, before)) break;
        if (size <= 1) {
          atoms_.push_back({at, end, limit_, before});
          break;
        }
      }
      before = kInWord;
      at = end;
    }
  }

  // The last border of a character in (at, at + size], or the first one after it.
  std::size_t border_after(std::size_t at, std::size_t size) const {
    std::size_t end = floor_border(text_, at + size);
    if (end > at) return end;
    end = at + 1;
    while (end < text_.size() && end - at < 4 && is_continuation(text_[end])) ++end;
    return end;
  }

  // --- Atoms to passages.

  bool fits(std::size_t first, std::size_t last, std::size_t tokens) const {
    return tokens <= limit_ && atoms_[last].end - atoms_[first].start <= bytes_max();
  }

  std::size_t overlap_max() const {
    return static_cast<std::size_t>(options_.overlap * static_cast<double>(options_.tokens_max));
  }

  // Passages of a long section are made about equally full, rather than full ones and a rest.
  std::size_t target(std::size_t tokens_left) const {
    const std::size_t fresh = std::max(limit_ - std::min(limit_, overlap_max()), limit_ / 2);
    const std::size_t parts = (tokens_left + fresh - 1) / fresh;
    return std::min(limit_, tokens_left / parts + overlap_max() + limit_ / 10);
  }

  void pack() {
    std::size_t left = 0;
    for (const Atom& atom : atoms_) left += atom.tokens;
    std::size_t next = 0;  // the first atom that no passage has yet
    while (next < atoms_.size()) {
      std::size_t first = overlap_start(next);
      std::size_t end = cut_after(first, next, left > limit_ ? target(left) : limit_);
      // Tokens of a span aren't always the sum of its atoms'; shrinks by an eighth, so that a
      // counter that is far from additive costs a few dozen calls a passage at most.
      while (count_(of(span_of(first, end))) > limit_) {
        if (end > next + 1) {
          end -= std::max<std::size_t>((end - next) / 8, 1);
        } else if (first < next) {
          first = next;
        } else {
          break;  // a single atom: it was measured
        }
      }
      const ByteSpan span = span_of(first, end);
      passages_.push_back({span.start, span.end, path_, std::string(of(span))});
      for (; next < end; ++next) left -= atoms_[next].tokens;
    }
    atoms_.clear();
    headings_end_ = 0;
  }

  ByteSpan span_of(std::size_t first, std::size_t end) const {
    return {atoms_[first].start, atoms_[end - 1].end};
  }

  // Where the passage that must have atom `next` starts: some whole sentences earlier.
  std::size_t overlap_start(std::size_t next) const {
    if (next == 0 || atoms_[next].before < kSentence) return next;
    std::size_t start = next;
    std::size_t tokens = 0;
    for (std::size_t i = next; i > headings_end_; --i) {
      const Atom& atom = atoms_[i - 1];
      tokens += atom.tokens;
      if (tokens > overlap_max() || !fits(i - 1, next, tokens + atoms_[next].tokens)) break;
      if (atom.before >= kSentence) start = i - 1;
    }
    // Not all of the passage before: its start must lie behind that one's.
    const bool repeats_all = !passages_.empty() && atoms_[start].start <= passages_.back().start;
    return repeats_all ? next : start;
  }

  // The end (an atom's index) of the passage that starts at `first` and must have `next`.
  std::size_t cut_after(std::size_t first, std::size_t next, std::size_t fill) const {
    std::size_t tokens = 0;
    std::size_t end = first;
    while (end < atoms_.size() && fits(first, end, tokens + atoms_[end].tokens) &&
           (end <= next || tokens + atoms_[end].tokens <= fill)) {
      tokens += atoms_[end].tokens;
      ++end;
    }
    if (end <= next) return next + 1;
    if (end == atoms_.size()) return end;
    std::size_t best = end;
    int best_border = -1;
    std::size_t filled = tokens;
    for (std::size_t i = end; i > next; --i) {
      const Border border = atoms_[i].before;
      if (border != kGlued && border > best_border && filled * 100 >= fill * kFillMin[border]) {
        best = i;
        best_border = border;
      }
      filled -= atoms_[i - 1].tokens;
    }
    return best;
  }

  std::string_view text_;
  const std::string& title_;
  const TokenCounter& count_;
  const ChunkOptions& options_;
  std::vector<std::pair<int, std::string>> headings_;  // level and words, outermost first
  std::string path_;
  std::size_t limit_ = 0;         // tokens of a passage's text under `path_`
  std::vector<Atom> atoms_;       // of the section being read
  std::size_t headings_end_ = 0;  // the atoms of its headings end here
  std::vector<Passage> passages_;
};

}  // namespace

Result<std::vector<Passage>> chunk(const Extracted& document, const TokenCounter& count_tokens,
                                   const ChunkOptions& options) {
  if (options.tokens_max < 32 || options.tokens_max > 1U << 20) {
    return Error{ErrorCode::kInvalidArgument, "a passage's tokens_max must be 32 to 1048576, not " +
                                                  std::to_string(options.tokens_max)};
  }
  if (!(options.overlap >= 0 && options.overlap <= 0.5)) {
    return Error{ErrorCode::kInvalidArgument, "passages may overlap by 0 to 0.5 of their size"};
  }
  if (options.bytes_per_token_max < 4 || options.bytes_per_token_max > 1024) {
    return Error{ErrorCode::kInvalidArgument, "bytes_per_token_max must be 4 to 1024"};
  }
  if (!count_tokens) return Error{ErrorCode::kInvalidArgument, "no token counter"};
  const bool structured = document.format == "markdown" || document.format == "html";
  const auto blocks = structured ? markdown_blocks(document.text) : plain_blocks(document.text);
  return Chunker(document, count_tokens, options).run(blocks);
}

}  // namespace weft::retrieval
