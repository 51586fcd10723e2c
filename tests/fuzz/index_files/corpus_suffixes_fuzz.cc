// Hostile files of a corpus: its tokens, by the first half of the input, and the order of their suffixes, by the
// second.
#include <memory>

#include "schema/token_ids.h"
#include "storage/formats/corpus_suffixes.h"
#include "tests/fuzz/index_files/made_section_file.h"

namespace actkin {
namespace {

// Numbers: bytes an entry, tokens, documents, vocabulary size. A sound one has documents of about as many tokens each,
// all of them 0.
std::string MakeTokens(FuzzInput& input) {
  HeaderNumbers numbers{};
  const auto fit = [&numbers](HeaderNumbers& made) -> SectionBytes {
    made[0] = static_cast<std::uint64_t>(TokenIdWidth(made[3]));
    made[1] %= 1 << 16;
    made[2] %= 1 << 12;
    numbers = made;
    return {(made[1] + made[2]) * made[0], (made[2] + 1) * sizeof(std::uint64_t), 0, 0};
  };
  return MakeSectionFile(input, FileKind::kCorpusTokens, fit, [&](const SectionFileHeader& header, std::string& file) {
    const std::uint64_t documents = numbers[2];
    if (documents == 0) return;
    for (std::uint64_t document = 0; document <= documents; ++document) {
      const std::uint64_t begin = numbers[1] * document / documents;
      std::memcpy(file.data() + header.sections[1].offset + document * sizeof(begin), &begin, sizeof(begin));
      if (document == 0) continue;
      const std::uint64_t separator = header.sections[0].offset + (begin + document - 1) * numbers[0];
      std::fill_n(file.data() + separator, numbers[0], '\xff');
    }
  });
}

std::string MakeOrder(FuzzInput& input, const CorpusTokensFile& tokens) {
  const auto fit = [&](HeaderNumbers& made) -> SectionBytes {
    made[0] = tokens.entry_count();
    made[1] = tokens.header_checksum();
    made[2] %= 1 << 8;
    made[3] %= 1 << 12;
    return {made[0] * sizeof(std::uint32_t), made[2] * sizeof(WidePrefixes::Prefix),
            made[3] * sizeof(WidePrefixes::Token), 0};
  };
  return MakeSectionFile(input, FileKind::kSuffixOrder, fit, [](const SectionFileHeader& header, std::string& file) {
    for (std::uint32_t i = 0; i < header.sections[0].bytes / sizeof(i); ++i) {
      std::memcpy(file.data() + header.sections[0].offset + i * sizeof(i), &i, sizeof(i));
    }
  });
}

}  // namespace
}  // namespace actkin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile token_bytes;
  static const MemoryFile order_bytes;
  FuzzInput of_tokens(data, size / 2);
  token_bytes.Write(MakeTokens(of_tokens));
  AllowError([&] {
    const auto tokens = std::make_shared<const CorpusTokensFile>(token_bytes.path());
    for (std::uint64_t position = 0; position < std::min<std::uint64_t>(tokens->token_count(), 64); ++position) {
      AllowError([&] { tokens->Token(position); });
      AllowError([&] { tokens->Positions(tokens->DocumentOf(position)); });
    }
    AllowError([&] { tokens->Verify(); });
    FuzzInput of_order(data + size / 2, size - size / 2);
    order_bytes.Write(MakeOrder(of_order, *tokens));
    const SuffixOrderFile order(order_bytes.path());
    AllowError([&] { order.Verify(); });
    const CorpusSuffixes suffixes(tokens, SuffixOrderFile(order_bytes.path()));
    const std::vector<TokenId> zeros(3, 0);
    for (std::size_t length = 0; tokens->vocabulary_size() > 0 && length <= zeros.size(); ++length) {
      const std::span prefix = std::span(zeros).first(length);
      AllowError([&] { suffixes.NextTokens(suffixes.Find(prefix), length); });
    }
    tokens->Verify();
    order.RequireOf(*tokens);
    order.VerifyOrder(*tokens);
  });
  return 0;
}
