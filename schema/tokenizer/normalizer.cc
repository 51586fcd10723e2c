#include "schema/tokenizer/normalizer.h"

#include <utf8.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <new>

#include "schema/tokenizer/text_pattern.h"

namespace actkin {
namespace {

// REQUIRES: the first code point is a starter, or begins the text.
void AppendComposed(std::string_view text, std::string& composed) {
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  constexpr auto kDecompose = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
  for (auto next = text.begin(); next != text.end();) {
    std::array<utf8proc_int32_t, 32> decomposed{};
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(utf8::unchecked::next(next)),
                                               decomposed.data(), decomposed.size(), kDecompose, nullptr);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(decomposed.size())) throw std::bad_alloc();
    points.insert(points.end(), decomposed.begin(), decomposed.begin() + count);
  }
  // utf8proc's own ordering takes the square of a run of combining marks.
  const auto combining_class = [](utf8proc_int32_t point) { return utf8proc_get_property(point)->combining_class; };
  for (auto begin = points.begin(); begin != points.end();) {
    if (combining_class(*begin) == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, points.end(), [&](auto point) { return combining_class(point) == 0; });
    std::stable_sort(begin, end, [&](auto a, auto b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
  constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  const auto length = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), kCompose);
  if (length < 0) throw std::bad_alloc();
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    utf8::unchecked::append(static_cast<char32_t>(points[static_cast<std::size_t>(i)]), std::back_inserter(composed));
  }
}

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

std::string ComposedText(std::string_view text) {
  std::string composed;
  composed.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto foreign = static_cast<std::size_t>(
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(), IsAscii) - text.begin());
    if (foreign == text.size()) {
      composed += text.substr(i);
      break;
    }
    // Nothing composes across the place before an ASCII character; the one before foreign ones may take marks.
    const std::size_t begin = foreign > i ? foreign - 1 : foreign;
    composed += text.substr(i, begin - i);
    const auto end = static_cast<std::size_t>(
        std::find_if(text.begin() + static_cast<std::ptrdiff_t>(foreign), text.end(), IsAscii) - text.begin());
    AppendComposed(text.substr(begin, end - begin), composed);
    i = end;
  }
  return composed;
}

Normalizer::Normalizer(const JsonPart& part) : where_(part.where()) {
  if (part.is_null()) return;
  ForEachInSequence(part, "normalizers", [this](const JsonPart& step) {
    const std::string& type = step.Type();
    if (type == "NFC") {
      step.OnlyKeys({"type"});
      steps_.push_back({Kind::kCompose, {}, {}, {}});
    } else if (type == "Prepend") {
      step.OnlyKeys({"type", "prepend"});
      steps_.push_back({Kind::kPrepend, step["prepend"].Text(), {}, {}});
    } else if (type == "Replace") {
      step.OnlyKeys({"type", "pattern", "content"});
      TextPattern pattern(step["pattern"]);
      const Kind kind = pattern.regex.empty() ? Kind::kReplaceText : Kind::kReplaceMatches;
      steps_.push_back({kind, std::move(pattern.text), step["content"].Text(), std::move(pattern.regex)});
    } else {
      step.RefuseType("NFC, Prepend, Replace or Sequence");
    }
  });
}

std::string Normalizer::Apply(std::string_view text, RegexSearch& search) const {
  constexpr std::size_t kMostTimes = 64;
  const std::size_t limit = text.size() * kMostTimes + (1U << 16);
  std::string current(text);
  std::string next;
  for (const Step& step : steps_) {
    const auto put = [&](std::string_view part) {
      if (next.size() + part.size() > limit) {
        Fail("{}: a text becomes more than {} times as long", where_, kMostTimes);
      }
      next += part;
    };
    next.clear();
    switch (step.kind) {
      case Kind::kCompose:
        next = ComposedText(current);
        break;
      case Kind::kPrepend:
        if (!current.empty()) put(step.text);
        put(current);
        break;
      case Kind::kReplaceText: {
        std::size_t from = 0;
        for (std::size_t at; (at = FindText(current, step.text, from)) != std::string::npos;) {
          put(std::string_view(current).substr(from, at - from));
          put(step.content);
          from = at + step.text.size();
        }
        put(std::string_view(current).substr(from));
        break;
      }
      case Kind::kReplaceMatches: {
        std::size_t from = 0;
        Regex::Matches matches(step.regex.front(), current, search);
        for (Regex::Match match; !current.empty() && matches.Next(match);) {
          put(std::string_view(current).substr(from, match.begin - from));
          put(step.content);
          from = match.end;
        }
        put(std::string_view(current).substr(from));
        break;
      }
    }
    current.swap(next);
  }
  return current;
}

}  // namespace actkin
