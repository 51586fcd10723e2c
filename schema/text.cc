#include "schema/text.h"

#include <utf8.h>

#include <algorithm>
#include <iterator>

#include "schema/error.h"

namespace actkin {

std::u32string CodePoints(std::string_view text, std::string_view what) {
  const auto invalid = utf8::find_invalid(text.begin(), text.end());
  if (invalid != text.end()) {
    Fail(ErrorCode::kInvalidArgument, "{} is not UTF-8: byte {} is 0x{:02X}", what, invalid - text.begin(),
         static_cast<unsigned char>(*invalid));
  }
  std::u32string code_points;
  code_points.reserve(text.size());
  utf8::unchecked::utf8to32(text.begin(), text.end(), std::back_inserter(code_points));
  return code_points;
}

std::string Utf8(std::u32string_view code_points) {
  std::string text;
  utf8::utf32to8(code_points.begin(), code_points.end(), std::back_inserter(text));
  return text;
}

namespace {

// Which characters stand as escapes, beside bytes that are not UTF-8.
enum class Escaped { kNone, kControls, kControlsAndQuotes };

bool IsEscaped(char32_t point, Escaped escaped) {
  if (escaped == Escaped::kNone) return false;
  if (point == U'"' || point == U'\\') return escaped == Escaped::kControlsAndQuotes;
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029;
}

std::string Escape(char32_t point) {
  switch (point) {
    case U'\n':
      return "\\n";
    case U'\t':
      return "\\t";
    case U'\r':
      return "\\r";
    case U'"':
      return "\\\"";
    case U'\\':
      return "\\\\";
    default:
      return point < 0x80 ? fmt::format("\\x{:02x}", static_cast<unsigned>(point))
                          : fmt::format("\\u{:04x}", static_cast<unsigned>(point));
  }
}

std::string WithEscapes(std::string_view text, Escaped escaped) {
  std::string result;
  for (auto next = text.begin(); next != text.end();) {
    const auto begin = next;
    try {
      const char32_t point = utf8::next(next, text.end());
      result += IsEscaped(point, escaped) ? Escape(point) : std::string(begin, next);
    } catch (const utf8::exception&) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(*begin));
      next = begin + 1;
    }
  }
  return result;
}

}  // namespace

std::string Quote(std::string_view text) { return '"' + WithEscapes(text, Escaped::kControlsAndQuotes) + '"'; }

std::string Printable(std::string_view text) { return WithEscapes(text, Escaped::kControls); }

std::string ValidUtf8(std::string_view text) {
  return utf8::is_valid(text.begin(), text.end()) ? std::string(text) : WithEscapes(text, Escaped::kNone);
}

std::string QuoteIfEscaped(std::string_view text) {
  std::string quoted = Quote(text);
  return quoted.size() == text.size() + 2 ? std::string(text) : quoted;
}

std::string ShellQuote(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./,:=@%+").find(c) != std::string_view::npos || (c & 0x80) != 0;
  };
  const auto is_printable = [](char c) { return c == '"' || c == '\\'; };
  std::string quoted;
  std::string printed;
  for (const char c : text) {
    quoted += c == '\'' ? "'\\''" : std::string(1, c);
    if (!is_printable(c)) printed += c;
  }
  if (Quote(printed).size() == printed.size() + 2) {
    return !text.empty() && std::ranges::all_of(text, is_plain) ? std::string(text) : "'" + quoted + "'";
  }
  quoted.clear();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    quoted +=
        byte < 0x20 || byte >= 0x7F || c == '\'' || c == '\\' ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return "$'" + quoted + "'";
}

std::string Unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const char escaped = ++i < text.size() ? text[i] : '\0';
    switch (escaped) {
      case 'n':
        plain += '\n';
        break;
      case 't':
        plain += '\t';
        break;
      case 'r':
        plain += '\r';
        break;
      case '\\':
      case '"':
      case '\'':
        plain += escaped;
        break;
      default:
        FailUsage("{}: an escape is one of \\n \\t \\r \\\\ \\\" \\'", Quote(text));
    }
  }
  return plain;
}

}  // namespace actkin
