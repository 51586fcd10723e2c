// made_index_files FOLDER: writes corpus.txt and two models for it, pieces.txt with a model and a tokenizer, from which
// the SQL tests' indices are built.
#include <cstdio>

#include "storage/machine/file.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/made_pieces.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder(argv[1]);
  try {
    actkin::ReplaceFile(folder / "corpus.txt", actkin::MadeCorpus(900));
    actkin::ReplaceFile(folder / "model.safetensors", actkin::SerializeSafetensors(actkin::MadeModel(1)));
    actkin::ReplaceFile(folder / "tokenizer.json", actkin::MadePiecesTokenizer());
    actkin::ReplaceFile(folder / "pieces.txt", actkin::MadePiecesCorpus(400));
    actkin::ReplaceFile(folder / "pieces.safetensors", actkin::SerializeSafetensors(actkin::MadeModel(
                                                           1, actkin::MadeShapeOf(actkin::kMadePieces + 3))));
    actkin::ReplaceFile(folder / "other.safetensors", actkin::SerializeSafetensors(actkin::MadeModel(2)));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
