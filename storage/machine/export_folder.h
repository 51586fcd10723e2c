#ifndef ACTKIN_STORAGE_MACHINE_EXPORT_FOLDER_H_
#define ACTKIN_STORAGE_MACHINE_EXPORT_FOLDER_H_

#include <filesystem>
#include <optional>
#include <string>

#include "storage/machine/file.h"
#include "storage/machine/file_lock.h"

namespace actkin {

// A folder that this process alone exports into while the object lives. What an export that was killed left unfinished
// there is removed.
class ExportFolder {
 public:
  // Makes it where it is not there. Throws Error naming the folder, and the process that is at work in it.
  explicit ExportFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::optional<FileLock> lock_;
};

// A file of an export, which stands under its name once it is whole: until then it has a hidden one. REQUIRES: the
// folder is an ExportFolder's.
class ExportedFile {
 public:
  explicit ExportedFile(std::filesystem::path path);
  // Not published, it is gone.
  ~ExportedFile();
  ExportedFile(const ExportedFile&) = delete;
  ExportedFile& operator=(const ExportedFile&) = delete;

  OutputFile& file() { return *file_; }
  // Flushes it and gives it its name, in place of what was there.
  void Publish();

 private:
  std::filesystem::path path_;
  std::filesystem::path unfinished_;
  std::optional<OutputFile> file_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_EXPORT_FOLDER_H_
