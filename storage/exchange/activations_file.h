#ifndef ACTKIN_STORAGE_EXCHANGE_ACTIVATIONS_FILE_H_
#define ACTKIN_STORAGE_EXCHANGE_ACTIVATIONS_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/site.h"

namespace actkin {

// Names a folder of recorded activations: the file that says what is in it.
inline constexpr char kActivationsFileName[] = "activations.json";

// One matrix: what was recorded at a place of a model, a row a position of the corpus.
struct RecordedSite {
  Stream stream = Stream::kResidual;
  int block = 0;
  std::vector<std::string> files;        // parts that follow each other: .npy, or .safetensors
  std::optional<std::string> tensor;     // of each .safetensors file
  std::optional<std::string> positions;  // .npy, one a row, rising; none: all
  std::optional<std::uint64_t> window;   // in which windows the documents were seen; none where that is not known
  std::optional<std::uint64_t> stride;   // has a value where `window` has: from 1 to that
  // For messages: "activations.json: sites[3]".
  std::string where = {};
};

// The parts of a folder of recorded activations, `activations.json`. Names of files are relative to the folder.
//
//   tokens            ids.npy: the id of every token, through all documents
//   document_lengths  a list of numbers of tokens; or
//   documents         .npy, a number a token, never falling: equal ones are a document. Neither: one document
//   document_names    a list of texts, as many as documents (optional)
//   tokenizer         a tokenizer.json; or
//   token_texts       a JSON list of texts, by id
//   bos_token_id      of a token that stood before every window, and has no position and no row; null or absent: none
//   sites             a list of objects: stream, block, files, tensor, positions, window and stride
//
// stream is any name; TransformerLens's mean what Stream does, and may hold the block: "blocks.5.hook_mlp_out".
struct ActivationsFile {
  std::string tokens;
  std::optional<std::vector<std::uint64_t>> document_lengths;
  std::optional<std::string> documents;
  std::optional<std::vector<std::string>> document_names;
  std::optional<std::string> tokenizer;
  std::optional<std::string> token_texts;
  std::optional<TokenId> bos_token_id;
  std::vector<RecordedSite> sites;
};

// Throws Error naming `where` and the key that is not known, missing, there twice, or not as said above; two sites of
// one place; a file's name that leads out of the folder.
ActivationsFile ParseActivationsFile(std::string_view json, const std::string& where);

// What ParseActivationsFile reads as the same.
std::string SerializeActivationsFile(const ActivationsFile& file);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_EXCHANGE_ACTIVATIONS_FILE_H_
