#include "schema/tokenizer/piece_decoder.h"

#include <charconv>
#include <optional>
#include <utility>

#include "schema/text.h"
#include "schema/tokenizer/byte_alphabet.h"
#include "schema/tokenizer/text_pattern.h"

namespace actkin {
namespace {

// Of <0xNN>.
std::optional<char> FallbackByte(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, value, 16);
  if (error != std::errc() || end != piece.data() + 5) return std::nullopt;
  return static_cast<char>(value);
}

// REQUIRES: `text` is not empty.
std::string Replaced(std::string_view piece, std::string_view text, std::string_view content) {
  std::string replaced;
  std::size_t from = 0;
  for (std::size_t at; (at = FindText(piece, text, from)) != std::string_view::npos; from = at + text.size()) {
    replaced += piece.substr(from, at - from);
    replaced += content;
  }
  return replaced += piece.substr(from);
}

std::string Replaced(std::string_view piece, const Regex& regex, std::string_view content, RegexSearch& search) {
  std::string replaced;
  std::size_t from = 0;
  Regex::Matches matches(regex, piece, search);
  for (Regex::Match match; !piece.empty() && matches.Next(match); from = match.end) {
    replaced += piece.substr(from, match.begin - from);
    replaced += content;
  }
  return replaced += piece.substr(from);
}

}  // namespace

PieceDecoder::PieceDecoder(const JsonPart& part, bool gives_bytes, bool byte_fallback) {
  if (!part.is_null()) {
    ForEachInSequence(part, "decoders", [this](const JsonPart& step) { AddStep(step); });
  } else if (gives_bytes) {
    steps_.push_back({.kind = Kind::kByteLevel});
  } else if (byte_fallback) {
    steps_.push_back({.kind = Kind::kByteFallback});
  }
}

void PieceDecoder::AddStep(const JsonPart& part) {
  const std::string& type = part.Type();
  if (type == "ByteLevel") {
    steps_.push_back({.kind = Kind::kByteLevel});
  } else if (type == "ByteFallback") {
    steps_.push_back({.kind = Kind::kByteFallback});
  } else if (type == "Fuse") {
    is_fused_ = true;
  } else if (type == "Replace") {
    TextPattern pattern(part["pattern"]);
    steps_.push_back({.kind = pattern.regex.empty() ? Kind::kReplaceText : Kind::kReplaceMatches,
                      .text = std::move(pattern.text),
                      .content = part["content"].Text(),
                      .regex = std::move(pattern.regex)});
  } else if (type == "Metaspace") {
    const JsonPart replacement = part["replacement"];
    if (replacement.Text().empty()) replacement.Refuse("expected one character");
    steps_.push_back({.kind = Kind::kReplaceText, .text = replacement.Text(), .content = " "});
  } else if (type == "Strip") {
    const JsonPart content = part["content"];
    if (CodePoints(content.Text(), content.where()).size() != 1) content.Refuse("expected one character");
    constexpr std::uint32_t kMost = 1U << 20;
    const Step step{.kind = Kind::kStrip,
                    .text = content.Text(),
                    .begin = part["start"].Number(kMost),
                    .end = part["stop"].Number(kMost)};
    if (!is_fused_) steps_.push_back({.kind = step.kind, .text = step.text, .begin = step.begin, .end = step.end});
  } else {
    part.RefuseType("ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace or Sequence");
  }
}

std::string PieceDecoder::Of(std::string_view piece, RegexSearch& search) const {
  std::string bytes(piece);
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Kind::kByteLevel:
        if (auto decoded = BytesOfCharacters(bytes)) return *std::move(decoded);
        break;
      case Kind::kByteFallback:
        if (const auto byte = FallbackByte(bytes)) return std::string(1, *byte);
        break;
      case Kind::kReplaceText:
        bytes = Replaced(bytes, step.text, step.content);
        break;
      case Kind::kReplaceMatches:
        bytes = Replaced(bytes, step.regex.front(), step.content, search);
        break;
      case Kind::kStrip: {
        std::string_view left = bytes;
        for (std::size_t i = 0; i < step.begin && left.starts_with(step.text); ++i)
          left.remove_prefix(step.text.size());
        for (std::size_t i = 0; i < step.end && left.ends_with(step.text); ++i) left.remove_suffix(step.text.size());
        bytes = std::string(left);
        break;
      }
    }
  }
  return bytes;
}

}  // namespace actkin
