// consumer DIRECTORY STRING: prints what followed STRING in the corpus, as TOKEN COUNT lines.
#include <cstdio>
#include <string>

#include "query/reader/index_reader.h"
#include "schema/error.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    actkin::IndexReader reader{actkin::IndexDirectory(argv[1])};
    const actkin::Prompt prompt = reader.Encode(argv[2]);
    if (!prompt.string_id) actkin::Fail("'{}' is not in {}", prompt.text, reader.corpus().name);
    for (const actkin::NextToken& next : reader.catalog().NextTokens(*prompt.string_id)) {
      std::printf("%s %llu\n", reader.vocabulary().Text(next.token_id).c_str(),
                  static_cast<unsigned long long>(next.count));
    }
    return 0;
  } catch (const actkin::Error& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 1;
  }
}
