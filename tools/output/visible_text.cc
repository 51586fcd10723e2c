#include "tools/output/visible_text.h"

#include <fmt/format.h>
#include <utf8.h>
#include <utf8proc.h>

namespace actkin {
namespace {

bool IsMark(char32_t point) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(point));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

bool IsInvisible(char32_t point) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(point))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return true;
    default:
      return false;
  }
}

std::string Escaped(char32_t point) {
  switch (point) {
    case U'\n':
      return "\\n";
    case U'\t':
      return "\\t";
    case U'\r':
      return "\\r";
    default:
      return point < 0x10000 ? fmt::format("\\u{:04x}", static_cast<unsigned>(point))
                             : fmt::format("\\U{:08x}", static_cast<unsigned>(point));
  }
}

std::string Visible(std::string_view bytes, bool quoted) {
  std::string text;
  bool has_base = false;  // for a mark to stand on
  for (const auto* next = bytes.begin(); next != bytes.end();) {
    const auto* const begin = next;
    char32_t point = 0;
    try {
      point = utf8::next(next, bytes.end());
    } catch (const utf8::exception&) {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(*begin));
      next = begin + 1;
      has_base = false;
      continue;
    }
    if (point == U' ') {
      text += quoted ? " " : "\u2423";
      has_base = false;
    } else if (point == U'"' && quoted) {
      text += "\\\"";
      has_base = true;
    } else if (point == U'\\') {
      text += "\\\\";
      has_base = true;
    } else if (IsInvisible(point)) {
      text += Escaped(point);
      has_base = false;
    } else {
      if (IsMark(point) && !has_base) text += "\u25cc";
      text.append(begin, next);
      has_base = true;
    }
  }
  return text;
}

}  // namespace

std::string VisibleText(std::string_view bytes) { return Visible(bytes, /*quoted=*/false); }

std::string QuotedText(std::string_view bytes) { return '"' + Visible(bytes, /*quoted=*/true) + '"'; }

}  // namespace actkin
