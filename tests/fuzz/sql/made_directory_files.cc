// made_directory_files FOLDER: writes corpus.txt, a model for it and a scheme, from which make_directory makes the
// index directory of the target sql.
#include <cstdio>
#include <random>
#include <string>

#include "storage/machine/file.h"
#include "tests/tools/command/made_model.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  constexpr int kCharacters = 4800;
  const std::filesystem::path folder(argv[1]);
  const std::string letters[] = {"\n", " ", "a", "b", "c", "d", "e", "f", "g", "h", "\u00e4", "\u20ac"};
  std::mt19937 generator(11);
  std::string text;
  for (int i = 0; i < kCharacters; ++i) text += letters[generator() % std::size(letters)];
  try {
    actkin::ReplaceFile(folder / "corpus.txt", text);
    actkin::ReplaceFile(folder / "model.safetensors",
                        actkin::SerializeSafetensors(actkin::MadeModel(1, actkin::MadeShapeOf(std::size(letters)))));
    actkin::ReplaceFile(folder / "both_last.json",
                        R"({"name": "both_last", "kernel": "inverse_distance", "proj": {"1": 1}, "ffwd": {"1": 2.5}})");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
