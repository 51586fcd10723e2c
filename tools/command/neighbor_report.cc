#include "tools/command/neighbor_report.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/shown_tokens.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr char kCut[] = "…";

int Width() { return StdoutIsTerminal() ? TerminalWidth(STDOUT_FILENO) : 120; }

bool IsInsideCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80; }

// The end, or the beginning, of a text on one line that takes at most `width` cells, which are at least 1.
std::string End(const std::string& text, int width) {
  std::string end = Printable(text);
  if (DisplayWidth(end) <= width) return end;
  while (DisplayWidth(end) > width - 1) {
    std::size_t next = 1;
    while (next < end.size() && IsInsideCharacter(end[next])) ++next;
    end.erase(0, next);
  }
  return kCut + end;
}
std::string Beginning(const std::string& text, int width) {
  std::string begin = Printable(text);
  if (DisplayWidth(begin) <= width) return begin;
  while (DisplayWidth(begin) > width - 1) {
    while (!begin.empty() && IsInsideCharacter(begin.back())) begin.pop_back();
    if (!begin.empty()) begin.pop_back();
  }
  return begin + kCut;
}

std::string Marked(const std::string& token) { return fmt::format("«{}»", Printable(token)); }

std::string Number(const Neighbor& row) { return fmt::format("{:.3f}", row.similarity.value_or(row.distance) + 0.0); }

std::string NextTokenCell(IndexReader& reader, const std::vector<NextToken>& tokens, int width) {
  if (tokens.empty()) return "none (the corpus ends here)";
  std::string cell;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string next =
        fmt::format("{}{} {}", i == 0 ? "" : ", ", ShownToken(reader, tokens[i].token_id), Grouped(tokens[i].count));
    const std::string more = fmt::format(", {} more", tokens.size() - i);
    const bool last = i + 1 == tokens.size();
    if (i > 0 && DisplayWidth(cell) + DisplayWidth(next) + (last ? 0 : static_cast<int>(more.size())) > width) {
      return cell + more;
    }
    cell += next;
  }
  return cell;
}

OrderedJson NextTokensJson(const std::vector<NextToken>& tokens) {
  OrderedJson object = OrderedJson::object();
  for (const NextToken& next : tokens) {
    // Two tokens may have the same text.
    const bool taken = object.contains(next.token);
    object[taken ? fmt::format("{} <{}>", next.token, next.token_id) : next.token] = next.count;
  }
  return object;
}

const char* MeasureTitle(const NeighborQuery& query) {
  return query.search.metric == Metric::kL2 ? "distance" : "similarity";
}

}  // namespace

void ReadContext(const std::string& text, ReportOptions& options) {
  const char* const end = text.data() + text.size();
  const auto before = std::from_chars(text.data(), end, options.before);
  if (before.ec == std::errc() && before.ptr != end && *before.ptr == ',') {
    const auto after = std::from_chars(before.ptr + 1, end, options.after);
    if (after.ec == std::errc() && after.ptr == end) return;
  }
  FailUsage("--context {}: expected the number of tokens before and after, such as 12,4", Quote(text));
}

TokenContext NeighborReport::Context(std::uint64_t position, std::uint64_t tokens) {
  // Of a string the first of its tokens is looked at for what stands before, and the last for what comes after.
  const std::uint64_t first = position + 1 - tokens;
  TokenContext context = reader_.ContextAround(position, tokens - 1, options_.after);
  context.token = context.before + context.token;
  context.before = reader_.ContextAround(first, options_.before, 0).before;
  return context;
}

OrderedJson NeighborReport::Place(std::uint64_t position, std::uint64_t tokens) {
  const std::shared_ptr<const CorpusTokensFile> corpus = reader_.CorpusTokens();
  const std::uint64_t document = corpus->DocumentOf(position);
  const TokenContext context = Context(position, tokens);
  return {{"position", position},
          {"document_id", document},
          {"document", reader_.DocumentName(document)},
          {"offset", position - corpus->Positions(document).begin},
          {"context", {{"before", context.before}, {"token", context.token}, {"after", context.after}}}};
}

std::string NeighborReport::Heading(const Prompt& prompt) {
  const std::uint64_t position = prompt.position.value();
  const std::shared_ptr<const CorpusTokensFile> corpus = reader_.CorpusTokens();
  const std::uint64_t document = corpus->DocumentOf(position);
  const TokenContext context = Context(position, 1);
  return fmt::format("position {} ({}, {}): {}{}", position, Printable(reader_.DocumentName(document)),
                     position - corpus->Positions(document).begin, End(context.before, 40), Marked(context.token));
}

std::vector<std::uint64_t> NeighborReport::Occurrences(const Neighbor& row) {
  std::vector<std::uint64_t> positions = reader_.PositionsOf(reader_.catalog().String(row.string_id).tokens);
  positions.resize(std::min<std::size_t>(positions.size(), options_.occurrences));
  return positions;
}

std::string NeighborReport::StringTable(const Neighbors& answer, const NeighborQuery& query) {
  int widest = 6;
  std::vector<std::string> strings;
  for (const Neighbor& row : answer.rows) {
    strings.push_back(ShownString(reader_, row.string_id));
    widest = std::max(widest, DisplayWidth(strings.back()));
  }
  const int room = Width() - widest - 4 - 10 - 6;
  Table table(
      {{"rank", Table::Align::kRight}, {MeasureTitle(query), Table::Align::kRight}, {"string"}, {"next tokens"}});
  for (std::size_t i = 0; i < strings.size(); ++i) {
    const Neighbor& row = answer.rows[i];
    table.Add(
        {Grouped(row.rank), Number(row), strings[i], NextTokenCell(reader_, row.next_tokens, std::max(room, 20))});
  }
  std::string text = table.Text(StdoutColor());
  if (options_.occurrences == 0) return text;
  // Where they are, below.
  Table places({{"rank", Table::Align::kRight},
                {"document"},
                {"offset", Table::Align::kRight},
                {"before", Table::Align::kRight},
                {"string"},
                {"after"}});
  const std::shared_ptr<const CorpusTokensFile> corpus = reader_.CorpusTokens();
  const int context_room = std::max(Width() - widest - 4 - 24 - 10 - 12, 16);
  for (const Neighbor& row : answer.rows) {
    const std::uint64_t tokens = static_cast<std::uint64_t>(answer.site.t_i) + 1;
    for (const std::uint64_t position : Occurrences(row)) {
      const TokenContext context = Context(position, tokens);
      const RowRange document = corpus->Positions(context.document_id);
      places.Add({Grouped(row.rank), End(reader_.DocumentName(context.document_id), 24),
                  Grouped(position + 1 - tokens - document.begin), End(context.before, context_room * 2 / 3),
                  Marked(context.token), Beginning(context.after, context_room / 3)});
    }
  }
  return text + "\n" + places.Text(StdoutColor());
}

std::string NeighborReport::PositionTable(const Neighbors& answer, const NeighborQuery& query) {
  const std::shared_ptr<const CorpusTokensFile> corpus = reader_.CorpusTokens();
  std::vector<TokenContext> contexts;
  int widest = 0;
  for (const Neighbor& row : answer.rows) {
    contexts.push_back(Context(*row.position, 1));
    const int next = row.next_tokens.empty() ? 4 : DisplayWidth(ShownToken(reader_, row.next_tokens.front().token_id));
    widest = std::max(widest, DisplayWidth(Marked(contexts.back().token)) + next);
  }
  // Beside rank, distance, document, offset and what parts the columns.
  const int room = std::max(Width() - widest - 4 - 10 - 20 - 8 - 14, 24);
  Table table({{"rank", Table::Align::kRight},
               {MeasureTitle(query), Table::Align::kRight},
               {"document"},
               {"offset", Table::Align::kRight},
               {"before", Table::Align::kRight},
               {"token"},
               {"after"},
               {"next"}});
  for (std::size_t i = 0; i < answer.rows.size(); ++i) {
    const Neighbor& row = answer.rows[i];
    const TokenContext& context = contexts[i];
    table.Add({Grouped(row.rank), Number(row), End(row.document, 20),
               Grouped(*row.position - corpus->Positions(*row.document_id).begin), End(context.before, room * 3 / 4),
               Marked(context.token), Beginning(context.after, room / 4),
               row.next_tokens.empty() ? "none" : ShownToken(reader_, row.next_tokens.front().token_id)});
  }
  return table.Text(StdoutColor());
}

std::string NeighborReport::Human(const std::string& heading, const Neighbors& answer, const NeighborQuery& query,
                                  bool is_new) {
  const std::string text = fmt::format("{}  {}  {}{}{}{}\n", heading, Describe(answer.site), Name(query.search.metric),
                                       query.search.order == Order::kFarthest ? ", farthest first" : "",
                                       DescribeFilter(query), is_new ? "  (not in the corpus)" : "");
  if (answer.rows.empty()) {
    const bool filtered = query.exclude_self || query.exclude_window > 0 || query.max_length || !query.where.empty();
    return text + (query.search.within ? "no rows in this band\n"
                   : filtered          ? "no rows pass the filter\n"
                                       : "no rows\n");
  }
  return text + (answer.site.over_positions() ? PositionTable(answer, query) : StringTable(answer, query));
}

OrderedJson NeighborReport::Json(OrderedJson asked, const Neighbors& answer, const NeighborQuery& query) {
  OrderedJson rows = OrderedJson::array();
  for (const Neighbor& row : answer.rows) {
    OrderedJson json{{"rank", row.rank}};
    if (row.position) {
      json.update(Place(*row.position, 1));
    } else {
      json["string_id"] = row.string_id;
    }
    json["text"] = row.text;
    json["distance"] = row.distance;
    json["similarity"] = row.similarity ? OrderedJson(*row.similarity) : OrderedJson(nullptr);
    json["next_tokens"] = NextTokensJson(row.next_tokens);
    if (!row.position && options_.occurrences > 0) {
      json["occurrences"] = OrderedJson::array();
      for (const std::uint64_t position : Occurrences(row)) {
        json["occurrences"].push_back(Place(position, static_cast<std::uint64_t>(answer.site.t_i) + 1));
      }
    }
    rows.push_back(std::move(json));
  }
  OrderedJson json = std::move(asked);
  json["stream"] = Name(answer.site.stream);
  json["block"] = answer.site.block;
  json["t_i"] = answer.site.over_positions() ? OrderedJson(nullptr) : OrderedJson(answer.site.t_i);
  if (answer.site.over_positions()) json["rows"] = Name(RowKind::kPositions);
  json["metric"] = Name(query.search.metric);
  json["index"] = query.index_name;
  if (query.search.metric == Metric::kCenteredCosine) {
    json["metric"] = Name(Metric::kCosine);
    json["center"] = true;
  }
  AddFilter(query, json);
  json["neighbors"] = std::move(rows);
  return json;
}

}  // namespace actkin
