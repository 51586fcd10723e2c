#ifndef ACTKIN_TOOLS_COMMAND_NEIGHBOR_REPORT_H_
#define ACTKIN_TOOLS_COMMAND_NEIGHBOR_REPORT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "query/reader/index_reader.h"

namespace actkin {

// What is shown beside each neighbor.
struct ReportOptions {
  std::uint64_t before = 12;  // tokens of the context
  std::uint64_t after = 4;
  std::uint64_t occurrences = 0;  // of a string: places in the corpus
};

// "12,4". Throws Error (usage) naming the flag.
void ReadContext(const std::string& text, ReportOptions& options);

// One answer, for people and as JSON. Rows over positions are shown in their text, the row's token marked.
class NeighborReport {
 public:
  NeighborReport(IndexReader& reader, const ReportOptions& options) : reader_(reader), options_(options) {}

  // heading: of what was asked, on one line; is_new: it is no string of the corpus, which the line above the table
  // says.
  std::string Human(const std::string& heading, const Neighbors& answer, const NeighborQuery& query, bool is_new);
  // asked: {"prompt": ...}, what the object begins with.
  nlohmann::ordered_json Json(nlohmann::ordered_json asked, const Neighbors& answer, const NeighborQuery& query);

  // "a.txt, 12: ... before «token»", of a prompt that is a position.
  std::string Heading(const Prompt& prompt);

 private:
  std::string StringTable(const Neighbors& answer, const NeighborQuery& query);
  std::string PositionTable(const Neighbors& answer, const NeighborQuery& query);
  // Of the string at a neighbor's: the first positions at which it begins.
  std::vector<std::uint64_t> Occurrences(const Neighbor& row);
  // position, document_id, document, offset and context.
  nlohmann::ordered_json Place(std::uint64_t position, std::uint64_t tokens);
  // The token at a position and the others of the string that ends there, between what is before and after.
  TokenContext Context(std::uint64_t position, std::uint64_t tokens);

  IndexReader& reader_;
  const ReportOptions options_;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_NEIGHBOR_REPORT_H_
