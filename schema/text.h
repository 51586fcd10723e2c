#ifndef ACTKIN_SCHEMA_TEXT_H_
#define ACTKIN_SCHEMA_TEXT_H_

#include <string>
#include <string_view>

namespace actkin {

// UTF-8 to code points and back. Throws Error saying that `what` is not UTF-8, and at which byte.
std::u32string CodePoints(std::string_view text, std::string_view what);
std::string Utf8(std::u32string_view code_points);

// In double quotes on one line: control characters, quotes, backslashes and bytes that are not UTF-8 are escaped.
std::string Quote(std::string_view text);
// The text as it is where Quote escapes nothing of it, else as Quote writes it: for names that are read from a file.
std::string QuoteIfEscaped(std::string_view text);

// One word of a POSIX shell's command line, as it is where no character of it means anything to a shell; on one line
// (what Quote would escape is written as bash, zsh and ksh read $'\n').
std::string ShellQuote(std::string_view text);
// For people, on one line: control characters and bytes that are not UTF-8 are escaped as Quote does, all else is as it
// is. For names of files, which may hold any byte, and for what was read or given.
std::string Printable(std::string_view text);
// For what holds UTF-8 alone, the catalog and JSON: bytes that are not UTF-8 become \xNN, all else is as it is.
std::string ValidUtf8(std::string_view text);

// Reads \n, \t, \r, \\, \" and \' as Quote writes them. Throws Error (usage) on any other escape.
std::string Unescape(std::string_view text);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TEXT_H_
