#ifndef ACTKIN_TESTS_FUZZ_INDEX_FILES_MADE_SECTION_FILE_H_
#define ACTKIN_TESTS_FUZZ_INDEX_FILES_MADE_SECTION_FILE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "storage/formats/section_file.h"
#include "tests/fuzz/fuzz_input.h"

namespace actkin {

using HeaderNumbers = std::array<std::uint64_t, 8>;
using SectionBytes = std::array<std::uint64_t, 4>;

// Makes a section file of an input, so that a fuzzer gets past the checksums that would refuse whatever it changes:
// numbers for the header, sections of sizes of its own or of those that `fit` says the numbers ask for (it may change
// numbers that only one value makes sense of), what they hold, and bytes changed anywhere afterwards; then the
// checksums are put right, or not. `fill` may write what a sound file would have in a section, before the input does. A
// file is at most 1 MB: one that would be larger is cut off.
std::string MakeSectionFile(FuzzInput& input, FileKind kind, const std::function<SectionBytes(HeaderNumbers&)>& fit,
                            const std::function<void(const SectionFileHeader&, std::string&)>& fill = nullptr);

}  // namespace actkin

#endif  // ACTKIN_TESTS_FUZZ_INDEX_FILES_MADE_SECTION_FILE_H_
