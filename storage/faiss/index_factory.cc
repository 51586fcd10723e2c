#include "storage/faiss/index_factory.h"

#include <faiss/AutoTune.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/index_factory.h>

#include <algorithm>
#include <regex>

#include "schema/text.h"
#include "storage/faiss/faiss_error.h"
#include "storage/faiss/faiss_parameter.h"
#include "storage/faiss/nsg_build.h"

namespace actkin {
namespace {

constexpr std::size_t kLongestName = 100;
constexpr double kLargestParameter = 65536;
constexpr std::uint64_t kPointsPerCentroid = 256;
constexpr std::uint64_t kCodebook = 256;  // centroids of a byte of code, as quantizers have

std::string Where(const std::string& factory) {
  return fmt::format("index {}: FAISS makes no such index", Quote(factory));
}

faiss::MetricType Type(Metric metric) { return metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT; }

// What faiss::index_factory would loop on, or fail on later and worse.
void CheckNumbers(const std::string& factory) {
  const bool plain = std::ranges::all_of(factory, [](char c) { return c > ' ' && c < 0x7F; });
  if (factory.empty() || factory.size() > kLongestName || !plain) {
    FailUsage("index {}: expected a faiss::index_factory string of 1 to {} characters, such as HNSW32", Quote(factory),
              kLongestName);
  }
  static const std::regex kNumber("([A-Za-z_]*)([0-9]+)");
  for (std::sregex_iterator match(factory.begin(), factory.end(), kNumber), end; match != end; ++match) {
    const std::string digits = (*match)[2];
    const std::string word = (*match)[1];
    const bool zero = digits.find_first_not_of('0') == std::string::npos;
    const bool links = word.ends_with("HNSW") || word.ends_with("NSG");
    if (digits.size() > 8 || zero || (links && (std::stoi(digits) < 2 || std::stoi(digits) > 512))) {
      FailUsage("{}: the number in {}{} is out of range", Where(factory), word, digits);
    }
  }
}

}  // namespace

std::unique_ptr<faiss::Index> MakeIndex(const FaissBuildOptions& options, std::uint64_t dimension) {
  CheckNumbers(options.factory);
  auto index = WithOneLineErrors(Where(options.factory), Error::Kind::kUsage, [&] {
    return std::unique_ptr<faiss::Index>(
        faiss::index_factory(static_cast<int>(dimension), options.factory.c_str(), Type(options.metric)));
  });
  IsNsg(*index, options.factory);
  if (index->metric_type != Type(options.metric)) {
    FailUsage("{} for {}, only for l2", Where(options.factory), Name(options.metric));
  }
  const faiss::ParameterSpace space;
  for (const auto& [name, value] : options.parameters) {
    CheckFaissParameter(name, value, kLargestParameter);
    try {
      space.set_index_parameter(index.get(), name, value);
    } catch (const faiss::FaissException&) {
      FailUsage("parameter {}: an index {} takes no such parameter", Quote(name), options.factory);
    }
  }
  return index;
}

std::uint64_t TrainingSize(const faiss::Index& index) {
  const faiss::Index* inner = &index;
  if (const auto* transformed = dynamic_cast<const faiss::IndexPreTransform*>(inner)) inner = transformed->index;
  std::uint64_t centroids = kCodebook;
  if (const auto* lists = dynamic_cast<const faiss::IndexIVF*>(inner)) {
    centroids = std::max<std::uint64_t>(centroids, lists->nlist);
  }
  return kPointsPerCentroid * centroids;
}

}  // namespace actkin
