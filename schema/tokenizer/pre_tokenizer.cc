#include "schema/tokenizer/pre_tokenizer.h"

#include <utf8.h>
#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "schema/text.h"
#include "schema/tokenizer/byte_alphabet.h"
#include "schema/tokenizer/text_pattern.h"

namespace actkin {
namespace {

// GPT-2's words (Radford et al. 2019, its published encoder), which ByteLevel means where nothing else cuts.
constexpr char kGpt2Words[] = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

bool IsNumeric(char32_t point) {
  if (point < 0x80) return point >= U'0' && point <= U'9';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(point));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_NO;
}

}  // namespace

PreTokenizer::PreTokenizer(const JsonPart& part) {
  if (part.is_null()) return;
  ForEachInSequence(part, "pretokenizers", [this](const JsonPart& step) { AddStep(step); });
  // The last step's bytes need not be written as characters to be looked up.
  if (!steps_.empty() && steps_.back().kind == Kind::kBytesAsCharacters) {
    gives_bytes_ = true;
    steps_.pop_back();
  }
  if (std::ranges::count(steps_, Kind::kBytesAsCharacters, &Step::kind) > 1) {
    part.Refuse("ByteLevel stands in it more than twice: bytes would be written as characters again and again");
  }
}

void PreTokenizer::AddStep(const JsonPart& part) {
  const std::string& type = part.Type();
  if (type == "ByteLevel") {
    AddByteLevel(part);
  } else if (type == "Digits") {
    part.OnlyKeys({"type", "individual_digits"});
    const bool each = part["individual_digits"].Flag();
    steps_.push_back({.kind = Kind::kDigits, .behavior = each ? Behavior::kIsolated : Behavior::kContiguous});
  } else if (type == "Split") {
    AddSplit(part);
  } else if (type == "Metaspace") {
    AddMetaspace(part);
  } else {
    part.RefuseType("ByteLevel, Digits, Split, Metaspace or Sequence");
  }
}

void PreTokenizer::AddByteLevel(const JsonPart& part) {
  part.OnlyKeys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  if (part["add_prefix_space"].Flag()) {
    steps_.push_back({.kind = Kind::kAddSpace});
    keeps_text_ = false;
  }
  if (part["use_regex"].Flag(/*absent=*/true)) {
    Step words{.kind = Kind::kSplit};
    words.regex.emplace_back(kGpt2Words, part.where());
    steps_.push_back(std::move(words));
  }
  steps_.push_back({.kind = Kind::kBytesAsCharacters});
}

void PreTokenizer::AddSplit(const JsonPart& part) {
  part.OnlyKeys({"type", "pattern", "behavior", "invert"});
  static constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
      {"Removed", Behavior::kRemoved},
      {"Isolated", Behavior::kIsolated},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext},
      {"Contiguous", Behavior::kContiguous}};
  TextPattern pattern(part["pattern"]);
  const JsonPart behavior = part["behavior"];
  const auto* const found =
      std::ranges::find(kBehaviors, behavior.Text(), &std::pair<std::string_view, Behavior>::first);
  if (found == std::end(kBehaviors)) {
    behavior.Refuse("{} is not known: expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
                    Quote(behavior.Text()));
  }
  if (found->second == Behavior::kRemoved) keeps_text_ = false;
  steps_.push_back({.kind = Kind::kSplit,
                    .behavior = found->second,
                    .invert = part["invert"].Flag(),
                    .text = std::move(pattern.text),
                    .regex = std::move(pattern.regex)});
}

void PreTokenizer::AddMetaspace(const JsonPart& part) {
  part.OnlyKeys({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  const JsonPart replacement = part["replacement"];
  Step step{.kind = Kind::kMetaspace,
            .behavior = Behavior::kMergedWithNext,
            .text = replacement.Text(),
            .prepend = Prepend::kAlways,
            .split = part["split"].Flag(/*absent=*/true)};
  if (CodePoints(step.text, replacement.where()).size() != 1) replacement.Refuse("expected one character");
  const JsonPart scheme = part["prepend_scheme"];
  if (!scheme.is_null()) {
    const std::string& name = scheme.Text();
    if (name != "always" && name != "first" && name != "never") {
      scheme.Refuse("{} is not known: expected always, first or never", Quote(name));
    }
    step.prepend = name == "always" ? Prepend::kAlways : name == "first" ? Prepend::kFirst : Prepend::kNever;
  }
  // Behind others it would matter which bytes of the text each word comes from.
  if (step.prepend == Prepend::kFirst && !steps_.empty()) {
    scheme.Refuse("first is offered where Metaspace is the first component");
  }
  if (!part["add_prefix_space"].Flag(/*absent=*/true)) {
    if (!scheme.is_null() && step.prepend != Prepend::kNever) scheme.Refuse("contradicts add_prefix_space");
    if (scheme.is_null()) part["add_prefix_space"].Refuse("is false without the prepend_scheme never");
  }
  keeps_text_ = false;
  steps_.push_back(std::move(step));
}

void PreTokenizer::Cut(std::string_view text, bool is_start, RegexSearch& search, Words& words) const {
  Run(0, text, is_start, search, words);
}

template <typename Visit>
void PreTokenizer::ForEachSpan(const Step& step, std::string_view text, RegexSearch& search, const Visit& visit) const {
  std::size_t end = 0;
  const auto found = [&](std::size_t match_begin, std::size_t match_end) {
    if (end != match_begin) visit(Span{end, match_begin, step.invert});
    visit(Span{match_begin, match_end, !step.invert});
    end = match_end;
  };
  if (step.kind == Kind::kDigits) {
    for (auto next = text.begin(); next != text.end();) {
      const auto begin = next;
      if (IsNumeric(utf8::unchecked::next(next))) {
        found(static_cast<std::size_t>(begin - text.begin()), static_cast<std::size_t>(next - text.begin()));
      }
    }
  } else if (step.regex.empty()) {
    for (std::size_t at; (at = FindText(text, step.text, end)) != std::string_view::npos;) {
      found(at, at + step.text.size());
    }
  } else {
    Regex::Matches matches(step.regex.front(), text, search);
    for (Regex::Match match; matches.Next(match);) found(match.begin, match.end);
  }
  if (end != text.size()) visit(Span{end, text.size(), step.invert});
}

std::vector<PreTokenizer::Span> PreTokenizer::Merged(const std::vector<Span>& spans, Behavior behavior) {
  std::vector<Span> merged;
  if (behavior == Behavior::kMergedWithNext) {
    // A match joins what follows, unless that is a match, too.
    for (std::size_t i = 0; i < spans.size(); ++i) {
      merged.push_back(spans[i]);
      if (spans[i].is_match && i + 1 < spans.size() && !spans[i + 1].is_match) merged.back().end = spans[++i].end;
    }
    return merged;
  }
  bool last_is_match = false;
  for (const Span& span : spans) {
    const bool joins =
        behavior == Behavior::kContiguous ? span.is_match == last_is_match : span.is_match && !last_is_match;
    if (joins && !merged.empty()) {
      merged.back().end = span.end;
    } else {
      merged.push_back(span);
    }
    last_is_match = span.is_match;
  }
  return merged;
}

void PreTokenizer::RunMetaspace(std::size_t index, std::string_view text, bool is_start, RegexSearch& search,
                                Words& words) const {
  const Step& step = steps_[index];
  std::string replaced;
  const bool has_space = text.front() == ' ' || text.starts_with(step.text);
  if (!has_space && (step.prepend == Prepend::kAlways || (step.prepend == Prepend::kFirst && is_start))) {
    replaced = step.text;
  }
  for (const char c : text) {
    if (c == ' ') {
      replaced += step.text;
    } else {
      replaced += c;
    }
  }
  if (!step.split) return Run(index + 1, replaced, is_start, search, words);
  std::vector<Span> spans;
  ForEachSpan(step, replaced, search, [&](const Span& span) { spans.push_back(span); });
  for (const Span& span : Merged(spans, step.behavior)) {
    Run(index + 1, std::string_view(replaced).substr(span.begin, span.end - span.begin), is_start && span.begin == 0,
        search, words);
  }
}

void PreTokenizer::Run(std::size_t index, std::string_view text, bool is_start, RegexSearch& search,
                       Words& words) const {
  if (text.empty()) return;
  if (index == steps_.size()) return words.Word(text);
  const Step& step = steps_[index];
  const auto run_span = [&](const Span& span) {
    Run(index + 1, text.substr(span.begin, span.end - span.begin), is_start && span.begin == 0, search, words);
  };
  switch (step.kind) {
    case Kind::kMetaspace:
      return RunMetaspace(index, text, is_start, search, words);
    case Kind::kBytesAsCharacters:
      return Run(index + 1, CharactersOfBytes(text), is_start, search, words);
    case Kind::kAddSpace:
      return text.front() == ' ' ? Run(index + 1, text, is_start, search, words)
                                 : Run(index + 1, " " + std::string(text), is_start, search, words);
    case Kind::kSplit:
    case Kind::kDigits:
      break;
  }
  if (step.behavior == Behavior::kIsolated) return ForEachSpan(step, text, search, run_span);
  if (step.behavior == Behavior::kRemoved) {
    return ForEachSpan(step, text, search, [&](const Span& span) {
      if (!span.is_match) run_span(span);
    });
  }
  std::vector<Span> spans;
  ForEachSpan(step, text, search, [&](const Span& span) { spans.push_back(span); });
  for (const Span& span : Merged(spans, step.behavior)) run_span(span);
}

}  // namespace actkin
