#include "storage/faiss/faiss_error.h"

#include <algorithm>
#include <string_view>

namespace actkin {

std::string FaissMessage(const std::string& message) {
  // "Error in FUNCTION at FILE:LINE: Error: 'CONDITION' failed: what is wrong"
  std::string_view text = message;
  const auto skip_past = [&](std::string_view words) {
    const std::size_t found = text.find(words);
    if (found != std::string_view::npos && found + words.size() < text.size()) text.remove_prefix(found + words.size());
  };
  skip_past("' failed: ");
  // or "Error in FUNCTION at FILE:LINE: what is wrong"
  if (text.starts_with("Error in ")) {
    skip_past(" at ");
    skip_past(": ");
    skip_past("Error: ");
  }
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace actkin
