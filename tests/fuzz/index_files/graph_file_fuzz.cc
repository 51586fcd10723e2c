// A hostile graph, and searches through it.
#include <memory>
#include <numeric>

#include "query/approximate/graph_index.h"
#include "storage/formats/graph_file.h"
#include "storage/formats/row_order_file.h"
#include "tests/fuzz/index_files/made_section_file.h"

namespace actkin {
namespace {

constexpr std::uint64_t kDimension = 3;
constexpr std::uint64_t kRows = 16;
constexpr std::uint64_t kUpperRows = 3;  // rows 0, 1, 2 stand on every level

// Numbers of a graph file.
enum Number { kMetric, kDimensionNumber, kRowCount, kBaseLinks, kUpperLinks, kEntryPoint, kTopLevel, kRowsChecksum };

// The site that the graph is of.
struct Site {
  MemoryFile vectors;
  MemoryFile order_file;
  std::shared_ptr<const RowOrderFile> order;
  std::uint64_t checksum = 0;

  Site() {
    std::vector<float> values(kRows * kDimension);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7 % 11) - 4;
    VectorFileWriter writer(vectors.path(), Element::kFloat32, kDimension, {0, kRows}, /*continued=*/false, 0);
    writer.WriteRows(0, values);
    writer.Finish();
    std::vector<StringOrdinal> ordinals(kRows);
    std::iota(ordinals.begin(), ordinals.end(), 0U);
    WriteRowOrderFile(order_file.path(), 4, ordinals);
    order = std::make_shared<RowOrderFile>(order_file.path());
    checksum = Rows().checksum();
  }
  RowSource Rows() const {
    std::vector<VectorFile> files;
    files.emplace_back(vectors.path());
    return RowSource(std::move(files));
  }
};

const Site& TheSite() {
  static const Site site;
  return site;
}

SectionBytes Fit(HeaderNumbers& numbers) {
  if (numbers[kDimensionNumber] % 2 == 0) numbers[kDimensionNumber] = kDimension;
  if (numbers[kRowCount] % 2 == 0) numbers[kRowCount] = kRows;
  if (numbers[kRowsChecksum] % 2 == 0) numbers[kRowsChecksum] = TheSite().checksum;
  return {numbers[kRowCount] * numbers[kBaseLinks] * 4, (2 * kUpperRows + 1) * 4,
          kUpperRows * numbers[kTopLevel] * numbers[kUpperLinks] * 4,
          numbers[kMetric] == 0 ? 0 : numbers[kRowCount] * 4};
}

void PutNumber(std::string& file, std::uint64_t offset, std::uint32_t number) {
  std::memcpy(file.data() + offset, &number, sizeof(number));
}

// Links to the next rows, on every level.
void WriteSoundLinks(const SectionFileHeader& header, std::string& file) {
  const auto& [base, upper_rows, upper, norms] = header.sections;
  const auto links = [&](const Section& section, std::uint64_t rows) {
    for (std::uint64_t i = 0; i < section.bytes / 4; ++i) {
      PutNumber(file, section.offset + i * 4, static_cast<std::uint32_t>((i * 5 + 1) % rows));
    }
  };
  links(base, kRows);
  links(upper, kUpperRows);
  for (std::uint64_t i = 0; i <= kUpperRows && upper_rows.bytes == (2 * kUpperRows + 1) * 4; ++i) {
    if (i < kUpperRows) PutNumber(file, upper_rows.offset + i * 4, static_cast<std::uint32_t>(i));
    PutNumber(file, upper_rows.offset + (kUpperRows + i) * 4,
              static_cast<std::uint32_t>(i * header.numbers[kTopLevel]));
  }
}

void Search(GraphFile file, std::uint64_t k) {
  const Metric metric = file.graph().metric;
  const GraphIndex index("HNSW2", std::move(file), TheSite().Rows(), TheSite().order);
  SearchRequest request;
  request.metric = metric;
  request.k = k;
  request.threads = 1;
  for (const auto& query : {std::vector<float>{1, 0, -2}, std::vector<float>{0, 0, 1e30F}}) {
    if (index.Search(query, request).at(0).size() > k) Wrong("more neighbors than were asked for");
  }
}

}  // namespace
}  // namespace actkin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  const std::uint64_t k = 1 + input.Take<std::uint8_t>() % 20;
  memory.Write(MakeSectionFile(input, FileKind::kGraph, Fit, WriteSoundLinks));
  AllowError([&] {
    GraphFile file(memory.path());
    for (const std::uint32_t level : {0U, 1U, file.graph().top_level}) {
      AllowError([&] { Touch(file.Links(file.graph().entry_point, level)); });
    }
    AllowError([&] { file.Verify(); });
    Search(std::move(file), k);
  });
  return 0;
}
