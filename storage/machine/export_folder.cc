#include "storage/machine/export_folder.h"

#include <system_error>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr char kLockName[] = ".actkin-export.lock";
// Hidden, and nobody else's: what is called so may be removed.
constexpr char kUnfinishedPrefix[] = ".";
constexpr char kUnfinishedSuffix[] = ".actkin-unfinished";

}  // namespace

ExportFolder::ExportFolder(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (!std::filesystem::is_directory(path_)) {
    Fail("{}: cannot make this folder: {}", path_.string(), error ? error.message() : "a file is there");
  }
  lock_.emplace(path_ / kLockName, path_.string() + ": another export into this folder is at work",
                FileLock::AtEnd::kRemove);
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kUnfinishedPrefix) && name.ends_with(kUnfinishedSuffix)) {
      std::error_code ignored;
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

ExportedFile::ExportedFile(std::filesystem::path path) : path_(std::move(path)) {
  unfinished_ = path_.parent_path() / (kUnfinishedPrefix + path_.filename().string() + kUnfinishedSuffix);
  file_.emplace(unfinished_, OutputFile::Mode::kCreate);
}

ExportedFile::~ExportedFile() {
  if (!file_) return;
  std::error_code ignored;
  std::filesystem::remove(unfinished_, ignored);
}

void ExportedFile::Publish() {
  file_->Flush();
  RenameDurably(unfinished_, path_);
  file_.reset();
}

}  // namespace actkin
