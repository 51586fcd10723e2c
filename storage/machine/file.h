#ifndef ACTKIN_STORAGE_MACHINE_FILE_H_
#define ACTKIN_STORAGE_MACHINE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace actkin {

// A file being written. Errors are Error, naming the path. Different threads may write different ranges.
class OutputFile {
 public:
  // kCreate empties what is there; kContinue keeps it; kClaim empties it once nobody else has it open by kClaim, and
  // others wait in their turn.
  enum class Mode { kCreate, kContinue, kClaim };

  OutputFile(std::filesystem::path path, Mode mode);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  OutputFile& operator=(OutputFile&&) = delete;

  void WriteAt(std::uint64_t offset, const void* bytes, std::size_t count);
  void WriteAt(std::uint64_t offset, std::string_view bytes) { WriteAt(offset, bytes.data(), bytes.size()); }
  // Bytes beyond the old size read as zero; takes no disk space.
  void Resize(std::uint64_t bytes);
  // Returns once what was written is on the medium.
  void Flush();

  const std::filesystem::path& path() const { return path_; }

 private:
  void Open(int flags);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

// A whole file, mapped for reading. The mapping stays valid when the file is renamed over or removed.
class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error naming `path` when it is missing, not a regular file, or unreadable. An empty file maps to no bytes.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::uint64_t size() const { return size_; }

  // Tells the system when bytes will be used, so that it reads them ahead, or drops its pages of them from this
  // process's memory (they are read again where they are used after all). REQUIRES: they lie in the file.
  enum class Use { kSoon, kNotSoon };
  void Advise(std::uint64_t offset, std::uint64_t count, Use use) const;

  // Asks for pages of 2 MB, where the file fits into half of the machine's memory (a page that is read for one row
  // would else drive others out): what lies anywhere is then found in a shorter walk of page tables. Advice: file
  // systems without large pages, and pages that lie in memory already, are as they were. For what is read here and
  // there.
  void PreferLargePages() const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Drops the system's pages of mapped bytes from this process's memory; they are read again where they are used after
// all. REQUIRES: data is mapped from a file that nothing writes through the mapping.
void ForgetMapped(const std::byte* data, std::uint64_t bytes);

// Whether an open file is the one of that name.
bool IsFile(int descriptor, const std::filesystem::path& path);
// Renames, then flushes the folder, so that the name survives a power cut. Both on one file system.
void RenameDurably(const std::filesystem::path& from, const std::filesystem::path& to);
void FlushDirectory(const std::filesystem::path& directory);
// Writes, flushes and renames, so that `path` holds either what it held or all of `bytes`, also where several processes
// do so at once.
void ReplaceFile(const std::filesystem::path& path, std::string_view bytes);
// The same for a path that a user gave: through a link, and into a device or a pipe, which stay what they are.
void WriteGivenFile(const std::filesystem::path& path, std::string_view bytes);
// Where ReplaceFile writes the bytes: PATH.next. A process that is killed meanwhile leaves it.
std::filesystem::path UnfinishedPath(const std::filesystem::path& path);
std::string ReadFile(const std::filesystem::path& path);
// Bytes that a file takes on disk: fewer than its size while it has holes.
std::uint64_t AllocatedBytes(const std::filesystem::path& path);
// The Error of whoever found no room for `what`.
[[noreturn]] void FailDiskFull(const std::string& what);
// Bytes that an unprivileged user may still write on the file system of `directory`.
std::uint64_t FreeDiskBytes(const std::filesystem::path& directory);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_FILE_H_
