// The kernels of query/kernels, each beside its scalar twin, by one thread:
//   kernel_benchmark [--benchmark_filter=SquaredDistances]
//
// Rows are 384 numbers; the 4,096 of them (6 MB of float32) pass by as they do in a search, from beyond the caches of a
// core. bytes_per_second counts what is read of the rows, items_per_second rows times queries.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "query/kernels/code_kernels.h"
#include "query/kernels/row_kernels.h"
#include "query/kernels/scalar_kernels.h"
#include "query/kernels/sketch_kernels.h"
#include "schema/random.h"

namespace actkin {
namespace {

constexpr std::size_t kRows = 4096;
constexpr std::size_t kDimension = 384;

// Between -1 and 1.
std::vector<float> Floats(std::size_t count, std::uint64_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<std::int64_t>(MixedBits(seed + i) >> 32)) / 0x80000000U - 1;
  }
  return values;
}

// Float16 between 1 and 2, as bit patterns.
std::vector<std::uint16_t> Halves(std::size_t count) {
  std::vector<std::uint16_t> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<std::uint16_t>(0x3C00U | (MixedBits(i) & 0x3FFU));
  return values;
}

template <typename Number>
std::vector<Number> Rows() {
  if constexpr (sizeof(Number) == 2) {
    return Halves(kRows * kDimension);
  } else {
    return Floats(kRows * kDimension, 1);
  }
}

void Count(benchmark::State& state, std::size_t queries, std::size_t number_bytes) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows * queries));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kRows * kDimension * number_bytes));
}

template <typename Number>
using RowKernel = void (*)(const Number*, std::size_t, std::size_t, const float*, std::size_t, float*);

// Arguments: the number of queries.
template <typename Number, RowKernel<Number> kernel>
void RowsAndQueries(benchmark::State& state) {
  const auto queries = static_cast<std::size_t>(state.range(0));
  const std::vector<Number> rows = Rows<Number>();
  const std::vector<float> query_values = Floats(queries * kDimension, 7);
  std::vector<float> out(queries * kRows);
  for (auto _ : state) {
    kernel(rows.data(), kRows, kDimension, query_values.data(), queries, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  Count(state, queries, sizeof(Number));
}

template <typename Number, void (*kernel)(const Number*, std::size_t, std::size_t, float*)>
void RowsAlone(benchmark::State& state) {
  const std::vector<Number> rows = Rows<Number>();
  std::vector<float> out(kRows);
  for (auto _ : state) {
    kernel(rows.data(), kRows, kDimension, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  Count(state, 1, sizeof(Number));
}

// A layer as wide as the feed-forward network's first. Argument: inputs, one a position. items_per_second: FLOP.
template <void (*kernel)(const float*, std::size_t, std::size_t, const float*, const float*, std::size_t, float*,
                         std::size_t)>
void Layer(benchmark::State& state) {
  constexpr std::size_t kOutputs = 4 * kDimension;
  const auto inputs = static_cast<std::size_t>(state.range(0));
  const std::vector<float> weights = Floats(kOutputs * kDimension, 1);
  const std::vector<float> bias = Floats(kOutputs, 2);
  const std::vector<float> values = Floats(inputs * kDimension, 3);
  std::vector<float> out(inputs * kOutputs);
  for (auto _ : state) {
    kernel(weights.data(), kOutputs, kDimension, bias.data(), values.data(), inputs, out.data(), kOutputs);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(2 * inputs * kOutputs * kDimension));
}

// Look-up tables of ten positions and 65 tokens. items_per_second: rows.
template <typename Code>
void Tables(benchmark::State& state) {
  constexpr std::size_t kPositions = 10;
  constexpr std::size_t kVocabulary = 65;
  constexpr std::size_t kCodedRows = 65536;
  std::vector<Code> codes(kCodedRows * kPositions);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<Code>(MixedBits(i) % kVocabulary);
  const std::vector<float> tables = Floats(kPositions * TableEntries<Code>(kVocabulary), 1);
  std::vector<float> out(kCodedRows);
  for (auto _ : state) {
    TableSums(codes.data(), kCodedRows, kPositions, kVocabulary, tables.data(), out.data());
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCodedRows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(codes.size() * sizeof(Code)));
}

std::vector<std::int8_t> Codes(std::size_t count) {
  std::vector<std::int8_t> codes(count);
  for (std::size_t i = 0; i < count; ++i)
    codes[i] = static_cast<std::int8_t>(static_cast<int>(MixedBits(i) % 255) - 127);
  return codes;
}

LevelQuery CodedQuery(std::size_t count) {
  LevelQuery query;
  query.count = count;
  for (std::size_t i = 0; i < query.count; ++i) {
    query.codes[i] = static_cast<std::int16_t>(static_cast<int>(MixedBits(i) % (2 * kCodeLimit)) - kCodeLimit);
  }
  query.Prepare();
  return query;
}

// As many blocks as a site of tinyshakespeare has. items_per_second: rows.
template <void (*kernel)(const std::int8_t*, std::size_t, const LevelQuery&, std::int32_t*, std::int32_t*)>
void Coarse(benchmark::State& state) {
  constexpr std::size_t kBlocks = 858923 / kBlockRows;
  const std::vector<std::int8_t> codes = Codes(kBlocks * kBlockBytes);
  const LevelQuery query = CodedQuery(kCoarseCodes);
  std::array<std::int32_t, kBlockRows> sums;
  std::array<std::int32_t, kBlockRows> rests;
  for (auto _ : state) {
    for (std::size_t block = 0; block < kBlocks; ++block) {
      kernel(codes.data() + block * kBlockBytes, kBlockRows, query, sums.data(), rests.data());
      benchmark::DoNotOptimize(sums.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBlocks * kBlockRows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(codes.size()));
}

// The boxes of as many blocks. items_per_second: boxes.
template <void (*kernel)(const std::int8_t*, const std::int8_t*, const LevelQuery&, std::int32_t*, std::int32_t*)>
void Boxes(benchmark::State& state) {
  constexpr std::size_t kGroups = 858923 / kBlockRows / kBlockRows;
  const std::vector<std::int8_t> codes = Codes(2 * kGroups * kBlockBytes);
  const LevelQuery query = CodedQuery(kCoarseCodes);
  std::array<std::int32_t, kBlockRows> sums;
  std::array<std::int32_t, kBlockRows> rests;
  for (auto _ : state) {
    for (std::size_t group = 0; group < kGroups; ++group) {
      const std::int8_t* low = codes.data() + 2 * group * kBlockBytes;
      kernel(low, low + kBlockBytes, query, sums.data(), rests.data());
      benchmark::DoNotOptimize(sums.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kGroups * kBlockRows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(codes.size()));
}

// Every hundredth row. Argument: codes of the level. items_per_second: rows.
template <void (*kernel)(const std::int8_t*, const std::uint32_t*, std::size_t, const LevelQuery&, std::int32_t*,
                         std::int32_t*)>
void CodedRows(benchmark::State& state) {
  constexpr std::size_t kCodedRows = 409600;
  const LevelQuery query = CodedQuery(static_cast<std::size_t>(state.range(0)));
  const std::vector<std::int8_t> codes = Codes(kCodedRows * query.count);
  std::vector<std::uint32_t> places;
  for (std::uint32_t place = 0; place < kCodedRows; place += 100) places.push_back(place);
  std::vector<std::int32_t> sums(places.size());
  std::vector<std::int32_t> rests(places.size());
  for (auto _ : state) {
    kernel(codes.data(), places.data(), places.size(), query, sums.data(), rests.data());
    benchmark::DoNotOptimize(sums.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(places.size()));
}

BENCHMARK(RowsAndQueries<float, SquaredDistances>)->Name("SquaredDistances/float32")->Arg(1)->Arg(4)->Arg(64);
BENCHMARK(RowsAndQueries<float, scalar::SquaredDistances>)->Name("SquaredDistances/float32/scalar")->Arg(1);
BENCHMARK(RowsAndQueries<std::uint16_t, SquaredDistances>)->Name("SquaredDistances/float16")->Arg(1)->Arg(64);
BENCHMARK(RowsAndQueries<std::uint16_t, scalar::SquaredDistances>)->Name("SquaredDistances/float16/scalar")->Arg(1);
BENCHMARK(RowsAndQueries<float, DotProducts>)->Name("DotProducts/float32")->Arg(1)->Arg(4)->Arg(64);
BENCHMARK(RowsAndQueries<float, scalar::DotProducts>)->Name("DotProducts/float32/scalar")->Arg(1);
BENCHMARK(RowsAlone<float, SquaredNorms>)->Name("SquaredNorms/float32");
BENCHMARK(RowsAlone<float, scalar::SquaredNorms>)->Name("SquaredNorms/float32/scalar");
BENCHMARK(Layer<Linear>)->Name("Linear")->Arg(1)->Arg(10);
BENCHMARK(Layer<scalar::Linear>)->Name("Linear/scalar")->Arg(1);
BENCHMARK(Tables<std::uint8_t>)->Name("TableSums/uint8");
BENCHMARK(Tables<std::uint16_t>)->Name("TableSums/uint16");
BENCHMARK(Coarse<CoarseDistances>)->Name("CoarseDistances");
BENCHMARK(Coarse<scalar::CoarseDistances>)->Name("CoarseDistances/scalar");
BENCHMARK(Boxes<BoxDistances>)->Name("BoxDistances");
BENCHMARK(Boxes<scalar::BoxDistances>)->Name("BoxDistances/scalar");
BENCHMARK(CodedRows<RowDistances>)->Name("RowDistances")->Arg(16)->Arg(48)->Arg(64)->Arg(128);
BENCHMARK(CodedRows<scalar::RowDistances>)->Name("RowDistances/scalar")->Arg(48);

}  // namespace
}  // namespace actkin

BENCHMARK_MAIN();
