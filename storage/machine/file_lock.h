#ifndef ACTKIN_STORAGE_MACHINE_FILE_LOCK_H_
#define ACTKIN_STORAGE_MACHINE_FILE_LOCK_H_

#include <filesystem>
#include <string>

namespace actkin {

// Held by one process. The kernel's lock (flock) goes with its process, so that a killed one never leaves a place
// locked; the file's text names the holder for the one who comes second.
class FileLock {
 public:
  enum class AtEnd { kKeep, kRemove };  // what becomes of the file; a killed process leaves it

  // Makes `path` where it is not there. Throws Error when another process, or another lock of this one, holds it:
  // `held`, such as "x.actkin: another build is at work", and by whom.
  FileLock(const std::filesystem::path& path, const std::string& held, AtEnd at_end);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::filesystem::path path_;
  AtEnd at_end_;
  int descriptor_ = -1;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_FILE_LOCK_H_
