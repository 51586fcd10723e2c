#ifndef ACTKIN_STORAGE_FORMATS_SAVED_NEIGHBORS_FILE_H_
#define ACTKIN_STORAGE_FORMATS_SAVED_NEIGHBORS_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/prompt_record_file.h"

namespace actkin {

struct SavedNeighbor {
  StringOrdinal ordinal = 0;  // within the site's string length
  float distance = 0;         // the metric's value

  friend bool operator==(const SavedNeighbor&, const SavedNeighbor&) = default;
};
static_assert(sizeof(SavedNeighbor) == 8);

// The neighbors of each prompt of a set in one site, best first, at most k each: a prompt record file of kind
// kSavedNeighbors. Numbers: k. A record: how many neighbors there are (8 bytes), the neighbors, zeros up to k of them.
// Immutable; any thread.
class SavedNeighborsFile {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit SavedNeighborsFile(const std::filesystem::path& path);

  std::uint64_t prompts() const { return file_.prompts(); }
  std::uint64_t k() const { return file_.number(0); }
  // REQUIRES: prompt < prompts(). Throws Error naming the file when the record is damaged. An ordinal may be too large
  // in a damaged file.
  std::span<const SavedNeighbor> Of(std::uint64_t prompt) const;
  std::uint64_t file_bytes() const { return file_.file_bytes(); }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }

  // Reads every byte; also that ordinals are below string_count, distances are numbers and the best come first. Throws
  // Error naming the file.
  void Verify(Metric metric, std::uint64_t string_count) const;

 private:
  PromptRecordFile file_;
};

// Writes such a file from front to back; a writer made for the same path, prompts and k continues.
class SavedNeighborsWriter {
 public:
  // REQUIRES: neither is 0.
  SavedNeighborsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t k);

  std::uint64_t done() const { return writer_.done(); }
  // The neighbors of the next prompts. On the medium when it returns. REQUIRES: at most k each.
  void Write(std::span<const std::vector<SavedNeighbor>> neighbors);
  // REQUIRES: done() is the number of prompts. Returns the header's checksum.
  std::uint64_t Finish() { return writer_.Finish(); }

  static std::uint64_t FileBytes(std::uint64_t prompts, std::uint64_t k);

 private:
  std::uint64_t k_;
  PromptRecordWriter writer_;
};

// The model's own distribution of the token after each prompt of a set: a prompt record file of kind kPredictions.
// Numbers: vocabulary size. A record: that many float32, and four bytes of zeros where that is odd.
class PredictionsFile {
 public:
  explicit PredictionsFile(const std::filesystem::path& path);

  std::uint64_t prompts() const { return file_.prompts(); }
  std::uint64_t vocabulary_size() const { return file_.number(0); }
  std::span<const float> Of(std::uint64_t prompt) const;
  std::uint64_t file_bytes() const { return file_.file_bytes(); }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }

  // Reads every byte; also that each record is a distribution. Throws Error naming the file.
  void Verify() const;

 private:
  PromptRecordFile file_;
};

class PredictionsWriter {
 public:
  PredictionsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t vocabulary_size);

  std::uint64_t done() const { return writer_.done(); }
  // probabilities: prompts x vocabulary. On the medium when it returns.
  void Write(std::span<const float> probabilities);
  std::uint64_t Finish() { return writer_.Finish(); }

 private:
  std::uint64_t vocabulary_size_;
  PromptRecordWriter writer_;
};

// For each prompt of a set, what follows all rows of a site within a band: a prompt record file of kind kBandTotals.
// Numbers: vocabulary size. A record: how many rows there are (8 bytes), then for each kernel (none, inverse distance)
// kernel(distance) x next-token count summed over those rows, vocabulary float64.
class BandTotalsFile {
 public:
  static constexpr std::size_t kKernels = 2;

  explicit BandTotalsFile(const std::filesystem::path& path);

  std::uint64_t prompts() const { return file_.prompts(); }
  std::uint64_t vocabulary_size() const { return file_.number(0); }
  std::uint64_t Rows(std::uint64_t prompt) const;
  // vocabulary numbers. REQUIRES: kernel < kKernels.
  std::span<const double> Of(std::uint64_t prompt, std::size_t kernel) const;
  std::uint64_t file_bytes() const { return file_.file_bytes(); }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }

  // Reads every byte; also that all are finite and not negative. Throws Error naming the file.
  void Verify(std::uint64_t row_count) const;

 private:
  PromptRecordFile file_;
};

class BandTotalsWriter {
 public:
  BandTotalsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t vocabulary_size);

  struct Totals {
    std::uint64_t rows = 0;
    std::vector<double> values;  // kKernels x vocabulary
  };

  std::uint64_t done() const { return writer_.done(); }
  void Write(std::span<const Totals> totals);
  std::uint64_t Finish() { return writer_.Finish(); }

 private:
  PromptRecordWriter writer_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_SAVED_NEIGHBORS_FILE_H_
