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

// Writes such a file from front to back, or behind what is written of it.
class SavedNeighborsWriter {
 public:
  // REQUIRES: neither is 0.
  SavedNeighborsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t k,
                       const WrittenRecords& written = {});

  // The neighbors of the next prompts. REQUIRES: at most k each.
  void Write(std::span<const std::vector<SavedNeighbor>> neighbors);
  PromptRecordWriter& records() { return writer_; }
  // REQUIRES: all prompts have their records. Returns the header's checksum.
  std::uint64_t Finish() { return writer_.Finish(); }

  static std::uint64_t FileBytes(std::uint64_t prompts, std::uint64_t k);

 private:
  std::uint64_t k_;
  PromptRecordWriter writer_;
};

// What the model makes its distribution of the token after each prompt of a set of: the last position after the final
// norm. The unembedding makes the distribution again (PromptForward), so that nothing is prompts x vocabulary. A prompt
// record file of kind kPredictions. Numbers: embed. A record: that many float32, and four bytes of zeros where that is
// odd.
class PredictionsFile {
 public:
  explicit PredictionsFile(const std::filesystem::path& path);

  std::uint64_t prompts() const { return file_.prompts(); }
  std::uint64_t embed() const { return file_.number(0); }
  // embed() numbers.
  std::span<const float> BeforeUnembedding(std::uint64_t prompt) const;
  std::uint64_t file_bytes() const { return file_.file_bytes(); }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }

  // Reads every byte; also that all are numbers. Throws Error naming the file.
  void Verify() const;

 private:
  PromptRecordFile file_;
};

class PredictionsWriter {
 public:
  PredictionsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t embed,
                    const WrittenRecords& written = {});

  // before_unembedding: prompts x embed, of the next prompts.
  void Write(std::span<const float> before_unembedding);
  PromptRecordWriter& records() { return writer_; }
  // REQUIRES: all prompts have their records. Returns the header's checksum.
  std::uint64_t Finish() { return writer_.Finish(); }

 private:
  std::uint64_t embed_;
  PromptRecordWriter writer_;
};

// How often a token follows the rows of a band, and the same with each row's count times
// KernelValue(kInverseDistance).
struct BandTotal {
  TokenId token = 0;
  std::uint32_t count = 0;
  double by_inverse_distance = 0;

  friend bool operator==(const BandTotal&, const BandTotal&) = default;
};
static_assert(sizeof(BandTotal) == 16);

// For each prompt of a set, what follows all rows of a site within a band: a prompt record file of kind kBandTotals.
// Numbers: vocabulary size. A record: how many rows there are (8 bytes), how many totals the prompts up to this one
// have (8 bytes). Lists: each prompt's totals, tokens ascending.
class BandTotalsFile {
 public:
  explicit BandTotalsFile(const std::filesystem::path& path);

  std::uint64_t prompts() const { return file_.prompts(); }
  std::uint64_t vocabulary_size() const { return file_.number(0); }
  std::uint64_t Rows(std::uint64_t prompt) const;
  // Of the tokens that follow. Throws Error naming the file when the record is damaged. A token may be too large in a
  // damaged file.
  std::span<const BandTotal> Of(std::uint64_t prompt) const;
  std::uint64_t file_bytes() const { return file_.file_bytes(); }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }

  // Reads every byte; also that each prompt's tokens ascend below the vocabulary size, and that totals are finite and
  // not negative. Throws Error naming the file.
  void Verify(std::uint64_t row_count) const;

 private:
  PromptRecordFile file_;
  std::span<const BandTotal> totals_;
};

class BandTotalsWriter {
 public:
  BandTotalsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t vocabulary_size,
                   const WrittenRecords& written = {});

  struct Totals {
    std::uint64_t rows = 0;
    std::span<const BandTotal> totals;
  };

  void Write(std::span<const Totals> totals);
  PromptRecordWriter& records() { return writer_; }
  // REQUIRES: all prompts have their records. Returns the header's checksum.
  std::uint64_t Finish() { return writer_.Finish(); }

 private:
  PromptRecordWriter writer_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_SAVED_NEIGHBORS_FILE_H_
