#include "storage/machine/given_input.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "schema/error.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

std::string ReadToEnd(int descriptor) {
  std::string text;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      Fail("standard input: cannot be read: {}", std::strerror(errno));
    }
  }
}

}  // namespace

bool IsStandardInput(const std::filesystem::path& path) { return path == "-"; }

std::string InputName(const std::filesystem::path& path) {
  return IsStandardInput(path) ? "standard input" : path.string();
}

std::string ReadInput(const std::filesystem::path& path) {
  if (!IsStandardInput(path)) return ReadFile(path);
  static const std::string text = ReadToEnd(STDIN_FILENO);
  return text;
}

}  // namespace actkin
