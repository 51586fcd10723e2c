#include "schema/wrapped_names.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace actkin {
namespace {

constexpr std::array<std::string_view, 3> kStateDictKeys = {"model", "state_dict", "model_state_dict"};
constexpr std::array<std::string_view, 5> kWrappers = {"_orig_mod.", "module.", "model.", "state_dict.",
                                                       "model_state_dict."};

}  // namespace

bool IsStateDictKey(const std::string& name) { return std::ranges::find(kStateDictKeys, name) != kStateDictKeys.end(); }

std::string WrapperPrefix(const std::vector<std::string>& names) {
  const std::string common = CommonPrefix(names);
  std::size_t end = 0;
  for (bool longer = true; longer;) {
    longer = false;
    for (const std::string_view wrapper : kWrappers) {
      if (std::string_view(common).substr(end).starts_with(wrapper)) {
        end += wrapper.size();
        longer = true;
      }
    }
  }
  return common.substr(0, end);
}

std::string CommonPrefix(const std::vector<std::string>& names) {
  if (names.empty()) return "";
  // Of all names, ordered, the first and the last have least in common.
  const auto [first, last] = std::ranges::minmax_element(names);
  const auto end = std::mismatch(first->begin(), first->end(), last->begin(), last->end()).first;
  const std::string common(first->begin(), end);
  const std::size_t dot = common.rfind('.');
  return dot == std::string::npos ? "" : common.substr(0, dot + 1);
}

}  // namespace actkin
