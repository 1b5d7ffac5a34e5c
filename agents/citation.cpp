#include "agents/citation.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "agents/lexical.h"
#include "retrieval/sentences.h"

namespace weft::agents {
namespace {

using Stems = std::unordered_set<std::string>;

// A sentence of a passage, with what was said just before and after it.
struct Place {
  std::size_t passage;
  std::size_t start, end;  // bytes of the passage's text
  std::vector<Word> words;
  Stems stems;
  Stems nearby;  // of the neighbouring sentences and the headings
};

constexpr double kSupportMin = 0.5;      // below, a place doesn't support the sentence
constexpr double kQuestionWeight = 0.6;  // of the question's coverage when places compete
constexpr double kNearbyWeight = 0.5;    // of a question word that stands beside the place
constexpr double kSecondShare = 0.97;    // a second place is cited from this share of the best on
constexpr std::size_t kCitationsASentence = 2;

std::vector<Place> places_of(const std::vector<retrieval::PassageHit>& passages) {
  std::vector<Place> places;
  for (std::size_t p = 0; p < passages.size(); ++p) {
    const std::string& text = passages[p].text;
    const std::size_t first = places.size();
    for (const auto& span : retrieval::sentences(text)) {
      auto found = words(std::string_view(text).substr(span.start, span.end - span.start));
      if (found.empty()) continue;
      Place place{p, span.start, span.end, std::move(found), {}, {}};
      place.stems = content_stems(place.words);
      places.push_back(std::move(place));
    }
    const Stems heading = content_stems(words(passages[p].title + " " + passages[p].heading_path));
    for (std::size_t i = first; i < places.size(); ++i) {
      places[i].nearby = heading;
      if (i > first)
        places[i].nearby.insert(places[i - 1].stems.begin(), places[i - 1].stems.end());
      if (i + 1 < places.size()) {
        places[i].nearby.insert(places[i + 1].stems.begin(), places[i + 1].stems.end());
      }
    }
  }
  return places;
}

// A word's weight falls with the number of places that hold it: idf over these passages.
class Weights {
 public:
  explicit Weights(const std::vector<Place>& places) : count_(static_cast<double>(places.size())) {
    for (const Place& place : places) {
      for (const std::string& stem : place.stems) ++frequency_[stem];
    }
  }
  double of(const std::string& stem) const {
    const auto found = frequency_.find(stem);
    const double frequency = found == frequency_.end() ? 0 : found->second;
    return std::log(1 + (count_ + 1) / (frequency + 0.5));
  }

 private:
  double count_;
  std::unordered_map<std::string, double> frequency_;
};

double coverage(const Stems& wanted, const Place& place, const Weights& weights, double nearby) {
  double all = 0, found = 0;
  for (const std::string& stem : wanted) {
    const double weight = weights.of(stem);
    all += weight;
    if (place.stems.contains(stem)) {
      found += weight;
    } else if (nearby > 0 && place.nearby.contains(stem)) {
      found += nearby * weight;
    }
  }
  return all > 0 ? found / all : 0;
}

struct Support {
  std::size_t place;
  double answer, question, total;
  bool verbatim;
};

// Places that support the sentence, best first.
std::vector<Support> supports_of(const std::vector<Word>& sentence, const Stems& question,
                                 const std::vector<Place>& places, const Weights& weights) {
  const Stems wanted = content_stems(sentence);
  std::vector<Support> supports;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const bool verbatim = contains_sequence(places[i].words, sentence);
    const double answer = verbatim ? 1 : coverage(wanted, places[i], weights, 0);
    if (answer < kSupportMin) continue;
    const double asked = coverage(question, places[i], weights, kNearbyWeight);
    supports.push_back({i, answer, asked, answer + kQuestionWeight * asked, verbatim});
  }
  std::ranges::stable_sort(supports, std::ranges::greater{}, &Support::total);
  return supports;
}

}  // namespace

Binding bind_citations(std::string_view answer, std::string_view question,
                       const std::vector<retrieval::PassageHit>& passages) {
  Binding binding;
  const std::vector<Place> places = places_of(passages);
  const Weights weights(places);
  const Stems asked = content_stems(words(question));
  double best = 0;
  for (const auto& span : retrieval::sentences(answer)) {
    const auto sentence = words(answer.substr(span.start, span.end - span.start));
    if (sentence.empty()) continue;
    const auto supports = supports_of(sentence, asked, places, weights);
    if (supports.empty()) continue;
    const Support& first = supports.front();
    if (first.total > best) {
      best = first.total;
      binding.answer_coverage = first.answer;
      binding.question_coverage = first.question;
      binding.verbatim = first.verbatim;
      binding.passage = places[first.place].passage;
    }
    std::size_t cited = 0;
    std::vector<std::size_t> seen;
    for (const Support& support : supports) {
      if (cited == kCitationsASentence || support.total < kSecondShare * first.total) break;
      const Place& place = places[support.place];
      if (std::ranges::find(seen, place.passage) != seen.end()) continue;
      seen.push_back(place.passage);
      const auto& hit = passages[place.passage];
      binding.citations.push_back({binding.citations.size() + 1, place.passage, hit.source,
                                   hit.start + place.start, hit.start + place.end, span.start,
                                   span.end, support.answer});
      ++cited;
    }
  }
  return binding;
}

}  // namespace weft::agents
