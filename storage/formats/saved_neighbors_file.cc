#include "storage/formats/saved_neighbors_file.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::uint64_t kCountBytes = 8;
// More would make a record that no file holds.
constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();

std::uint64_t NeighborRecordBytes(std::uint64_t k) { return kCountBytes + k * sizeof(SavedNeighbor); }

std::uint64_t PredictionRecordBytes(std::uint64_t embed) { return (embed * sizeof(float) + 7) / 8 * 8; }

struct BandRecord {
  std::uint64_t rows = 0;
  std::uint64_t end = 0;  // of its totals among all
};

BandRecord ReadBandRecord(std::span<const std::byte> bytes) {
  BandRecord record;
  std::memcpy(&record, bytes.data(), sizeof(record));
  return record;
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

SavedNeighborsWriter::SavedNeighborsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t k,
                                           const WrittenRecords& written)
    : k_(k), writer_(path, FileKind::kSavedNeighbors, prompts, NeighborRecordBytes(k), {k, 0, 0, 0, 0, 0}, written) {}

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
  RequireRecordBytes(file_, PredictionRecordBytes(embed()));
}

std::span<const float> PredictionsFile::BeforeUnembedding(std::uint64_t prompt) const {
  return {reinterpret_cast<const float*>(file_.Record(prompt).data()), embed()};
}

void PredictionsFile::Verify() const {
  file_.VerifyBytes();
  for (std::uint64_t prompt = 0; prompt < prompts(); ++prompt) {
    for (const float number : BeforeUnembedding(prompt)) {
      if (!std::isfinite(number)) FailOnRecord(file_, prompt, "a number that is not finite");
    }
  }
}

PredictionsWriter::PredictionsWriter(const std::filesystem::path& path, std::uint64_t prompts, std::uint64_t embed,
                                     const WrittenRecords& written)
    : embed_(embed),
      writer_(path, FileKind::kPredictions, prompts, PredictionRecordBytes(embed), {embed, 0, 0, 0, 0, 0}, written) {}

void PredictionsWriter::Write(std::span<const float> before_unembedding) {
  const std::uint64_t record_bytes = PredictionRecordBytes(embed_);
  std::vector<std::byte> records(before_unembedding.size() / embed_ * record_bytes);
  for (std::size_t prompt = 0; prompt * embed_ < before_unembedding.size(); ++prompt) {
    std::memcpy(records.data() + prompt * record_bytes, before_unembedding.data() + prompt * embed_,
                embed_ * sizeof(float));
  }
  writer_.Write(records);
}

BandTotalsFile::BandTotalsFile(const std::filesystem::path& path) : file_(path, FileKind::kBandTotals) {
  RequireRecordBytes(file_, sizeof(BandRecord));
  const std::span<const std::byte> lists = file_.lists();
  if (lists.size() % sizeof(BandTotal) != 0) {
    FailDamaged("{}: damaged: lists of {} bytes, expected totals of {}", path.string(), lists.size(),
                sizeof(BandTotal));
  }
  totals_ = {reinterpret_cast<const BandTotal*>(lists.data()), lists.size() / sizeof(BandTotal)};
}

std::uint64_t BandTotalsFile::Rows(std::uint64_t prompt) const { return ReadBandRecord(file_.Record(prompt)).rows; }

std::span<const BandTotal> BandTotalsFile::Of(std::uint64_t prompt) const {
  const std::uint64_t begin = prompt == 0 ? 0 : ReadBandRecord(file_.Record(prompt - 1)).end;
  const std::uint64_t end = ReadBandRecord(file_.Record(prompt)).end;
  if (begin > end || end > totals_.size()) FailOnRecord(file_, prompt, "totals that are not in its lists");
  return totals_.subspan(begin, end - begin);
}

void BandTotalsFile::Verify(std::uint64_t row_count) const {
  file_.VerifyBytes();
  std::uint64_t count = 0;
  for (std::uint64_t prompt = 0; prompt < prompts(); ++prompt) {
    if (Rows(prompt) > row_count) FailOnRecord(file_, prompt, "more rows than the site has");
    const std::span<const BandTotal> totals = Of(prompt);
    count += totals.size();
    for (std::size_t i = 0; i < totals.size(); ++i) {
      if (totals[i].token >= vocabulary_size()) FailOnRecord(file_, prompt, "a token that is none");
      if (i > 0 && totals[i].token <= totals[i - 1].token) FailOnRecord(file_, prompt, "tokens that do not ascend");
      const double total = totals[i].by_inverse_distance;
      if (!(total >= 0) || std::isinf(total)) FailOnRecord(file_, prompt, "a total that is no count");
    }
  }
  if (count != totals_.size()) {
    FailDamaged("{}: damaged: {} totals, expected {}", file_.path().string(), totals_.size(), count);
  }
}

BandTotalsWriter::BandTotalsWriter(const std::filesystem::path& path, std::uint64_t prompts,
                                   std::uint64_t vocabulary_size, const WrittenRecords& written)
    : writer_(path, FileKind::kBandTotals, prompts, sizeof(BandRecord), {vocabulary_size, 0, 0, 0, 0, 0}, written) {}

void BandTotalsWriter::Write(std::span<const Totals> totals) {
  std::vector<std::byte> records;
  std::vector<std::byte> lists;
  std::uint64_t end = writer_.list_bytes() / sizeof(BandTotal);
  for (const Totals& of_one : totals) {
    end += of_one.totals.size();
    const BandRecord record{of_one.rows, end};
    Append(records, &record, sizeof(record));
    Append(lists, of_one.totals.data(), of_one.totals.size_bytes());
  }
  writer_.Write(records, lists);
}

}  // namespace actkin
