#include "storage/machine/given_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <system_error>
#include <vector>

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

// Whether it may be read as often as it is asked for.
bool IsReadAgain(const std::filesystem::path& path) {
  std::error_code ignored;
  return !IsStandardInput(path) && std::filesystem::is_regular_file(path, ignored);
}

const std::string& Kept(const std::filesystem::path& path) {
  static std::mutex mutex;
  static std::map<std::filesystem::path, std::string> texts;
  const std::lock_guard lock(mutex);
  const auto known = texts.find(path);
  if (known != texts.end()) return known->second;
  return texts.emplace(path, IsStandardInput(path) ? ReadToEnd(STDIN_FILENO) : ReadFile(path)).first->second;
}

}  // namespace

bool IsStandardInput(const std::filesystem::path& path) { return path == "-"; }

std::string InputName(const std::filesystem::path& path) {
  return IsStandardInput(path) ? "standard input" : path.string();
}

std::string ReadInput(const std::filesystem::path& path) { return IsReadAgain(path) ? ReadFile(path) : Kept(path); }

void ReadInputInPieces(const std::filesystem::path& path, const std::function<void(std::string_view piece)>& take) {
  if (!IsReadAgain(path)) return take(Kept(path));
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const auto fail = [&path](const char* what) { Fail("{}: cannot {}: {}", path.string(), what, std::strerror(errno)); };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail("open");
  struct Closing {
    int descriptor;
    ~Closing() { ::close(descriptor); }
  } const closing{descriptor};
  std::vector<char> buffer(kPiece);
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count == 0) return;
    if (count > 0) {
      take({buffer.data(), static_cast<std::size_t>(count)});
    } else if (errno != EINTR) {
      fail("read");
    }
  }
}

}  // namespace actkin
