#include "tools/output/json_output.h"

#include <string>
#include <utility>

#include "schema/text.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

void MakeUtf8(nlohmann::ordered_json& value) {
  if (value.is_string()) {
    value = ValidUtf8(value.get_ref<const std::string&>());
  } else if (value.is_array()) {
    for (nlohmann::ordered_json& element : value) MakeUtf8(element);
  } else if (value.is_object()) {
    auto valid = nlohmann::ordered_json::object();
    for (auto& [key, member] : value.items()) {
      MakeUtf8(member);
      valid[ValidUtf8(key)] = std::move(member);
    }
    value = std::move(valid);
  }
}

}  // namespace

void PrintJson(nlohmann::ordered_json answer) {
  std::string text;
  try {
    text = answer.dump(1);
  } catch (const nlohmann::json::type_error&) {
    // Seldom: looking at every text first would cost those that are UTF-8 something.
    MakeUtf8(answer);
    text = answer.dump(1);
  }
  Print(text + "\n");
}

}  // namespace actkin
