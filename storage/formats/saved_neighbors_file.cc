#include "storage/formats/saved_neighbors_file.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::uint64_t kCountBytes = 8;
// Rounding of float32 probabilities.
constexpr double kSumTolerance = 1e-3;

// More would make a record that no file holds.
constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();

std::uint64_t NeighborRecordBytes(std::uint64_t k) { return kCountBytes + k * sizeof(SavedNeighbor); }

std::uint64_t PredictionRecordBytes(std::uint64_t vocabulary_size) {
  return (vocabulary_size * sizeof(float) + 7) / 8 * 8;
}

std::uint64_t BandRecordBytes(std::uint64_t vocabulary_size) {
  return kCountBytes + BandTotalsFile::kKernels * vocabulary_size * sizeof(double);
}

void RequireRecordBytes(const PromptRecordFile& file, std::uint64_t expected) {
  if (file.number(0) > kMost || file.record_bytes() != expected) {
    FailDamaged("{}: damaged: records of {} bytes, expected {}", file.path().string(), file.record_bytes(), expected);
  }
}

std::uint64_t LeadingCount(std::span<const std::byte> record) {
  std::uint64_t count = 0;
  std::memcpy(&count, record.data(), sizeof(count));
  return count;
}

void Append(std::vector<std::byte>& bytes, const void* data, std::size_t count) {
  const auto* begin = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), begin, begin + count);
}

[[noreturn]] void FailOnRecord(const PromptRecordFile& file, std::uint64_t prompt, const char* what) {
  FailDamaged("{}: damaged: the record of prompt {}: {}", file.path().string(), prompt, what);
}

}  // namespace

SavedNeighborsFile::SavedNeighborsFile(const std::filesystem::path& path) : file_(path, FileKind::kSavedNeighbors) {
  RequireRecordBytes(file_, NeighborRecordBytes(k()));
}

std::span<const SavedNeighbor> SavedNeighborsFile::Of(std::uint64_t prompt) const {
  const std::span<const std::byte> record = file_.Record(prompt);
  const std::uint64_t count = LeadingCount(record);
  if (count > k()) FailOnRecord(file_, prompt, "more neighbors than there is room for");
  return {reinterpret_cast<const SavedNeighbor*>(record.data() + kCountBytes), count};
}

void SavedNeighborsFile::Verify(Metric metric, std::uint64_t string_count) const {
  file_.VerifyBytes();
  for (std::uint64_t prompt = 0; prompt < prompts(); ++prompt) {
    const std::span<const SavedNeighbor> neighbors = Of(prompt);
    for (std::size_t i = 0; i < neighbors.size(); ++i) {
      if (neighbors[i].ordinal >= string_count) FailOnRecord(file_, prompt, "a neighbor that is no string");
      if (!std::isfinite(neighbors[i].distance)) FailOnRecord(file_, prompt, "a distance that is no number");
      if (i == 0) continue;
      const float before = neighbors[i - 1].distance;
      const bool in_order = metric == Metric::kL2 ? before <= neighbors[i].distance : before >= neighbors[i].distance;
      if (!in_order) FailOnRecord(file_, prompt, "a nearer neighbor behind one that is farther");
    }
  }
}

SavedNeighborsWriter::SavedNeighborsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t k)
    : k_(k), writer_(path, FileKind::kSavedNeighbors, prompts, NeighborRecordBytes(k), {k, 0, 0, 0, 0, 0}) {}

void SavedNeighborsWriter::Write(std::span<const std::vector<SavedNeighbor>> neighbors) {
  std::vector<std::byte> records;
  records.reserve(neighbors.size() * NeighborRecordBytes(k_));
  for (const std::vector<SavedNeighbor>& of_one : neighbors) {
    const std::uint64_t count = of_one.size();
    Append(records, &count, sizeof(count));
    Append(records, of_one.data(), of_one.size() * sizeof(SavedNeighbor));
    records.resize(records.size() + (k_ - of_one.size()) * sizeof(SavedNeighbor));
  }
  writer_.Write(records);
}

std::uint64_t SavedNeighborsWriter::FileBytes(std::uint64_t prompts, std::uint64_t k) {
  return PromptRecordWriter::FileBytes(prompts, NeighborRecordBytes(k));
}

PredictionsFile::PredictionsFile(const std::filesystem::path& path) : file_(path, FileKind::kPredictions) {
  RequireRecordBytes(file_, PredictionRecordBytes(vocabulary_size()));
}

std::span<const float> PredictionsFile::Of(std::uint64_t prompt) const {
  return {reinterpret_cast<const float*>(file_.Record(prompt).data()), vocabulary_size()};
}

void PredictionsFile::Verify() const {
  file_.VerifyBytes();
  for (std::uint64_t prompt = 0; prompt < prompts(); ++prompt) {
    double sum = 0;
    for (const float probability : Of(prompt)) {
      if (!(probability >= 0)) FailOnRecord(file_, prompt, "a probability below 0");
      sum += probability;
    }
    if (std::abs(sum - 1) > kSumTolerance) FailOnRecord(file_, prompt, "probabilities that do not add up to 1");
  }
}

PredictionsWriter::PredictionsWriter(const std::filesystem::path& path, std::uint64_t prompts,
                                     std::uint64_t vocabulary_size)
    : vocabulary_size_(vocabulary_size),
      writer_(path, FileKind::kPredictions, prompts, PredictionRecordBytes(vocabulary_size),
              {vocabulary_size, 0, 0, 0, 0, 0}) {}

void PredictionsWriter::Write(std::span<const float> probabilities) {
  const std::uint64_t record_bytes = PredictionRecordBytes(vocabulary_size_);
  std::vector<std::byte> records(probabilities.size() / vocabulary_size_ * record_bytes);
  for (std::size_t prompt = 0; prompt * vocabulary_size_ < probabilities.size(); ++prompt) {
    std::memcpy(records.data() + prompt * record_bytes, probabilities.data() + prompt * vocabulary_size_,
                vocabulary_size_ * sizeof(float));
  }
  writer_.Write(records);
}

BandTotalsFile::BandTotalsFile(const std::filesystem::path& path) : file_(path, FileKind::kBandTotals) {
  RequireRecordBytes(file_, BandRecordBytes(vocabulary_size()));
}

std::uint64_t BandTotalsFile::Rows(std::uint64_t prompt) const { return LeadingCount(file_.Record(prompt)); }

std::span<const double> BandTotalsFile::Of(std::uint64_t prompt, std::size_t kernel) const {
  const auto* values = reinterpret_cast<const double*>(file_.Record(prompt).data() + kCountBytes);
  return {values + kernel * vocabulary_size(), vocabulary_size()};
}

void BandTotalsFile::Verify(std::uint64_t row_count) const {
  file_.VerifyBytes();
  for (std::uint64_t prompt = 0; prompt < prompts(); ++prompt) {
    if (Rows(prompt) > row_count) FailOnRecord(file_, prompt, "more rows than the site has");
    for (std::size_t kernel = 0; kernel < kKernels; ++kernel) {
      for (const double total : Of(prompt, kernel)) {
        if (!(total >= 0) || std::isinf(total)) FailOnRecord(file_, prompt, "a total that is no count");
      }
    }
  }
}

BandTotalsWriter::BandTotalsWriter(const std::filesystem::path& path, std::uint64_t prompts,
                                   std::uint64_t vocabulary_size)
    : writer_(path, FileKind::kBandTotals, prompts, BandRecordBytes(vocabulary_size),
              {vocabulary_size, 0, 0, 0, 0, 0}) {}

void BandTotalsWriter::Write(std::span<const Totals> totals) {
  std::vector<std::byte> records;
  for (const Totals& of_one : totals) {
    Append(records, &of_one.rows, sizeof(of_one.rows));
    Append(records, of_one.values.data(), of_one.values.size() * sizeof(double));
  }
  writer_.Write(records);
}

}  // namespace actkin
