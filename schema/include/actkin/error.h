#ifndef ACTKIN_ERROR_H_
#define ACTKIN_ERROR_H_

#include <cstdint>
#include <stdexcept>
#include <string>

namespace actkin {

// What kind of thing went wrong: what a program can act on, beside the sentence for people.
enum class ErrorCode : std::uint8_t {
  kNotFound,         // no such directory, file, site, index, scheme, string, or no model
  kInvalidArgument,  // what was asked for makes no sense, wherever it is asked
  kUnsupported,      // written by a newer actkin, or what this index cannot do
  kDamaged,          // not as it was written
  kBusy,             // others have it in use; asked later it may be done
  kOutOfSpace,       // the disk is full
  kInterrupted,      // the caller asked to stop
  kFailed,           // anything else: a permission, a failing disk
};

// The one exception of this library. what() is a single line of UTF-8 for the user: it names the file or value and says
// what was expected. Visible from every shared library, so that one thrown in another is caught.
class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  // Who can do something about it; the exit status of the command.
  enum class Kind : std::uint8_t {
    kFailed,  // 1: the world is not as it must be (a file, the disk, the catalog)
    kUsage,   // 2: what was asked for makes no sense, here or anywhere
  };

  explicit Error(const std::string& line, Kind kind = Kind::kFailed)
      : Error(line, kind == Kind::kUsage ? ErrorCode::kInvalidArgument : ErrorCode::kFailed, kind) {}
  Error(const std::string& line, ErrorCode code, Kind kind = Kind::kFailed)
      : std::runtime_error(line), code_(code), kind_(kind) {}

  ErrorCode code() const { return code_; }
  Kind kind() const { return kind_; }

 private:
  ErrorCode code_;
  Kind kind_;
};

}  // namespace actkin

#endif  // ACTKIN_ERROR_H_
