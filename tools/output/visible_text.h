#ifndef ACTKIN_TOOLS_OUTPUT_VISIBLE_TEXT_H_
#define ACTKIN_TOOLS_OUTPUT_VISIBLE_TEXT_H_

#include <string>
#include <string_view>

namespace actkin {

// A token's bytes, for people, so that each can be seen: a space is U+2423 (an open box), bytes that are no characters
// are \xNN, what has no ink or changes the direction of what follows stands as \n, \t, \uNNNN or \UNNNNNNNN, a
// backslash as two, and a combining mark that has nothing before it stands on a dotted circle (U+25CC).
std::string VisibleText(std::string_view bytes);
// The same in double quotes, for a text that stands beside numbers or other texts: spaces stay spaces, and a quote is
// \".
std::string QuotedText(std::string_view bytes);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_OUTPUT_VISIBLE_TEXT_H_
