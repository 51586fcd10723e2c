#include "indexer/build/forecast.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "indexer/build/capture.h"
#include "indexer/build/corpus_files.h"
#include "indexer/build/position_capture.h"
#include "indexer/build/position_sites.h"
#include "indexer/build/site_sketches.h"
#include "indexer/model/forward_backend.h"
#include "indexer/sketches/sketch_encoder.h"
#include "indexer/text/catalog_build.h"
#include "indexer/text/prefix_tree.h"
#include "schema/token_ids.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/formats/sketch_file.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr double kMeasuredSeconds = 4;  // of the forward pass

// The nearest folder above a path that is there.
std::filesystem::path ExistingFolder(const std::filesystem::path& path) {
  std::filesystem::path folder = std::filesystem::absolute(path);
  while (!std::filesystem::exists(folder) && folder.has_parent_path() && folder != folder.parent_path()) {
    folder = folder.parent_path();
  }
  return folder;
}

// A folder for measurements, gone at the end.
class ScratchFolder {
 public:
  ScratchFolder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("actkin-plan-{}", static_cast<long>(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Seconds that the sketches of `rows` random rows take.
double SketchSeconds(const ScratchFolder& scratch, std::uint64_t rows, std::uint64_t dimension, Element element,
                     int threads) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * dimension);
  for (float& value : values) value = normal(generator);
  VectorFileWriter writer(scratch / "rows", element == Element::kNone ? Element::kFloat32 : element, dimension,
                          {0, rows}, false, 0);
  writer.AddChecksum(writer.WriteRows(0, values));
  writer.Finish();
  std::vector<VectorFile> files;
  files.emplace_back(scratch / "rows");
  const Clock::time_point start = Clock::now();
  WriteSketches(scratch / "sketches", RowSource(std::move(files)), LoadForwardBackend().row_algebra(), threads,
                [](std::uint64_t) {});
  return SecondsSince(start);
}

// What does not depend on the number of rows, and what each adds, from two measurements.
struct SketchCost {
  double fixed = 0;
  double row = 0;
};

SketchCost MeasureSketches(std::uint64_t dimension, const BuildOptions& options) {
  const ScratchFolder scratch;
  constexpr std::uint64_t kFew = 8192;
  constexpr std::uint64_t kMore = 32768;
  SketchSeconds(scratch, kFew, dimension, options.element, options.threads);  // wakes what is loaded once
  const double few = SketchSeconds(scratch, kFew, dimension, options.element, options.threads);
  const double more = SketchSeconds(scratch, kMore, dimension, options.element, options.threads);
  SketchCost cost;
  cost.row = std::max(more - few, 0.0) / static_cast<double>(kMore - kFew);
  cost.fixed = std::max(few - cost.row * kFew, 0.0);
  return cost;
}

// Seconds that the catalog takes a row, of strings such as these.
double CatalogRowSeconds(const BuildInputs& inputs) {
  const ScratchFolder scratch;
  constexpr std::uint64_t kRows = 100'000;
  const Clock::time_point start = Clock::now();
  NewCatalog catalog(scratch / "catalog.db");
  catalog.AddCorpus({}, {});
  std::mt19937 generator(1);
  const auto length = static_cast<std::size_t>(inputs.string_length);
  for (std::uint64_t i = 1; i <= kRows; ++i) {
    // Letters that no other row begins with, then any.
    std::string text(std::max<std::size_t>(2 * length, 4), 'a');
    for (char& c : text) c = static_cast<char>('a' + generator() % 26);
    for (std::uint64_t place = 0, rest = i; place < 4; ++place, rest /= 26) {
      text[place] = static_cast<char>('a' + rest % 26);
    }
    catalog.AddString(i, inputs.string_length, text, 1, text);
  }
  for (std::uint64_t i = 1; i <= kRows; ++i) catalog.AddNextToken(i, 0, 1);
  catalog.Finish();
  return SecondsSince(start) / (2 * kRows);
}

std::uint64_t CatalogRows(const StringLevels& strings) {
  std::uint64_t rows = 0;
  for (int length = 1; length <= strings.string_length(); ++length) {
    rows += strings.level(length).size() + strings.level(length + 1).size();
  }
  return rows;
}

}  // namespace

std::uint64_t BuildForecast::bytes() const {
  std::uint64_t all = catalog_bytes + corpus_bytes + model_bytes + position_bytes;
  for (const SiteForecast& site : sites) all += site.bytes;
  return all;
}

std::size_t DropPresentSites(const ExistingDirectory& existing, SitePlan& plan) {
  const auto present = [&](const Site& site) {
    return std::ranges::find(existing.sites, site) != existing.sites.end();
  };
  return std::erase_if(plan.embedding, present) + std::erase_if(plan.captured, present) +
         std::erase_if(plan.positions, present);
}

BuildForecast ForecastBytes(const BuildOptions& options, const BuildInputs& inputs, const SitePlan& plan,
                            const StringLevels& strings, const ExistingDirectory& existing) {
  BuildForecast forecast;
  forecast.strings = strings.FirstStringId(inputs.string_length + 1) - 1;
  forecast.free_bytes = FreeDiskBytes(ExistingFolder(options.out));
  if (!existing.corpus) {
    const std::size_t vocabulary_size = inputs.tokenizer.tokenizer->size();
    forecast.catalog_bytes = EstimateCatalogBytes(inputs.corpus.bytes, inputs.tokens, vocabulary_size, strings);
    forecast.corpus_bytes = CorpusFileBytes(inputs.tokens, vocabulary_size);
  }
  if (!inputs.checkpoint) return forecast;
  if (!existing.model) forecast.model_bytes = inputs.model_bytes;
  const auto embed = static_cast<std::uint64_t>(inputs.shape().embed);
  std::map<std::pair<Stream, int>, SiteForecast> sites;
  if (!plan.positions.empty()) {
    const CorpusPositions positions(inputs.tokens, plan.seen);
    forecast.positions = positions.row_count();
    forecast.position_bytes = positions.FileBytes();
  }
  for (const auto* planned : {&plan.embedding, &plan.captured, &plan.positions}) {
    for (const Site& site : *planned) {
      SiteForecast& of = sites[{site.stream, site.t_i}];
      of.stream = site.stream;
      of.t_i = site.t_i;
      of.blocks.push_back(site.block);
      of.rows = site.over_positions() ? forecast.positions : strings.RowCount(site.t_i + 1);
      const std::uint64_t length = static_cast<std::uint64_t>(site.t_i) + 1;
      if (site.of_codes()) {
        // Codes of the tokens that occur, and one table of those.
        const std::uint64_t occurring = strings.level(1).size();
        of.dimension = length * embed;
        of.bytes += of.rows * length * (occurring <= 256 ? 1 : occurring <= 65536 ? 2 : 4);
        of.bytes += (occurring + length) * embed * sizeof(float);
        continue;
      }
      of.dimension = embed;
      const Element element = ElementOf(options.element, of.rows, embed);
      of.bytes += of.rows * StoredRowBytes(element, embed);
      if (element == Element::kNone) forecast.passing_bytes += of.rows * StoredRowBytes(Element::kFloat32, embed);
      if (of.rows >= kFewestRowsWithSketches) of.bytes += SketchFileWriter::FileBytes(embed, of.rows, kUsualLevels);
    }
  }
  int depth = 0;
  for (const Site& site : plan.captured) depth = std::max(depth, site.t_i + 1);
  for (int length = 1; length <= depth; ++length) forecast.prefixes += strings.RowCount(length);
  for (auto& [key, site] : sites) {
    std::ranges::sort(site.blocks);
    forecast.sites.push_back(std::move(site));
  }
  return forecast;
}

BuildForecast Forecast(const BuildOptions& options, ProgressListener& progress) {
  const IndexDirectory directory(options.out);
  RefuseForeignFolder(directory);
  const ExistingDirectory existing = ReadExisting(directory);
  const BuildInputs inputs = ReadBuildInputs(options, directory, existing, progress);
  SitePlan plan = PlanSites(options, inputs, existing);
  RequireSamePositions(directory, existing, plan.seen, plan.positions);
  DropPresentSites(existing, plan);
  const StringLevels strings(inputs.tokens.tokens, inputs.tokens.Positions(), inputs.tokenizer.tokenizer->size(),
                             inputs.string_length);
  BuildForecast forecast = ForecastBytes(options, inputs, plan, strings, existing);

  const std::uint64_t catalog_rows = CatalogRows(strings);
  if (!existing.corpus) forecast.catalog_seconds = static_cast<double>(catalog_rows) * CatalogRowSeconds(inputs);
  // The strings take about 16 bytes a string and length, the prefix tree 12 a prefix.
  constexpr std::uint64_t kProgram = std::uint64_t{120} << 20;
  const std::uint64_t tokens = 8 * inputs.tokens.tokens.size();
  std::uint64_t memory = kProgram + tokens + 16 * catalog_rows + 12 * forecast.prefixes;
  // Suffixes are sorted before sites are made: the bytes of tokens, 4 for each of these, and the tokens.
  std::uint64_t suffix_memory = 0;
  if (!existing.corpus) {
    const auto width = static_cast<std::uint64_t>(TokenIdWidth(inputs.tokenizer.tokenizer->size()));
    suffix_memory = kProgram + 16 * catalog_rows + (5 * width + 4) * inputs.tokens.tokens.size();
  }
  if (!plan.captured.empty() || !plan.positions.empty()) {
    const std::unique_ptr<Transformer> model = LoadForwardBackend().NewTransformer(inputs.model());
    const auto embed = static_cast<std::uint64_t>(inputs.shape().embed);
    const CaptureOptions how{options.threads, options.checkpoint_seconds, 0, inputs.beginning};
    std::uint64_t capture_memory = 0;
    if (!plan.captured.empty()) {
      const int depth = std::ranges::max(plan.captured, {}, &Site::t_i).t_i + 1;
      const PrefixTree tree(strings, depth);
      const CapturePlan capture{plan.captured, {}, Element::kFloat32, embed, ""};
      forecast.capture_seconds = CaptureSeconds(capture, tree, *model, how, kMeasuredSeconds);
      capture_memory = CaptureMemory(capture, tree, inputs.description(), how);
    }
    if (!plan.positions.empty()) {
      const CorpusPositions positions(inputs.tokens, plan.seen);
      const PositionCapturePlan capture{plan.positions, Element::kFloat32, embed, ""};
      forecast.window_tokens = PlanPositionWork(positions.seen(), inputs.description(), how).tokens_run;
      forecast.capture_seconds += PositionCaptureSeconds(capture, positions.seen(), *model, how, kMeasuredSeconds);
      capture_memory =
          std::max(capture_memory, PositionCaptureMemory(capture, positions.seen(), inputs.description(), how));
    }
    std::uint64_t weights = 0;
    for (const auto& [name, type] : inputs.model().types()) weights += type.count() * sizeof(float);
    constexpr std::uint64_t kLibTorch = std::uint64_t{130} << 20;
    std::uint64_t sketch_memory = 0;
    std::uint64_t sites = 0;
    std::uint64_t rows = 0;
    for (const SiteForecast& site : forecast.sites) {
      const bool of_codes = Site{site.stream, 0, site.t_i}.of_codes();
      if (of_codes || site.rows < kFewestRowsWithSketches) continue;
      sites += site.blocks.size();
      rows += site.blocks.size() * site.rows;
      sketch_memory = std::max(sketch_memory, SketchMemory(site.rows, site.dimension));
    }
    // The mapped checkpoint is in memory while weights are read from it, and stays until sketches are made.
    memory += kLibTorch +
              std::max(weights + std::max(capture_memory, inputs.model_bytes), inputs.model_bytes + sketch_memory);
    if (sites > 0) {
      const SketchCost cost = MeasureSketches(embed, options);
      forecast.sketch_seconds = static_cast<double>(sites) * cost.fixed + static_cast<double>(rows) * cost.row;
    }
  }
  // Where tokens are no characters, a document is there while it is cut, and its tokens twice.
  const std::uint64_t document = inputs.tokenizer.characters ? 0 : 3 * inputs.corpus.longest_document;
  forecast.peak_memory = std::max({memory, suffix_memory, kProgram + tokens + document});
  return forecast;
}

}  // namespace actkin
