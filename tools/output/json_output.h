#ifndef ACTKIN_TOOLS_OUTPUT_JSON_OUTPUT_H_
#define ACTKIN_TOOLS_OUTPUT_JSON_OUTPUT_H_

#include <nlohmann/json.hpp>

namespace actkin {

// Prints a command's answer to stdout, indented, as JSON, which is UTF-8 whatever names it holds: bytes of a text that
// are not stand as \xNN (schema/text.h). Throws Error when it cannot be written.
void PrintJson(nlohmann::ordered_json answer);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_OUTPUT_JSON_OUTPUT_H_
