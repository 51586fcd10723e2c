#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "actkin/index.h"
#include "schema/error.h"
#include "tools/python/module/bindings.h"
#include "tools/python/module/interruptible.h"

namespace nb = nanobind;

namespace actkin {
namespace {

using Vectors = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using RowNumbers = nb::ndarray<const std::uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// An Index that any number of threads may hold: they wait for each other.
class SharedIndex {
 public:
  explicit SharedIndex(const std::string& directory) : index_(std::in_place, std::filesystem::path(directory)) {}

  // action(index): runs without the interpreter's lock.
  template <typename Action>
  auto Ask(const Action& action) {
    const nb::gil_scoped_release release;
    return Locked(action);
  }
  // action(index, stop): the same, and ends soon after `stop` becomes true, which Ctrl-C makes it.
  template <typename Action>
  auto AskInterruptibly(const Action& action) {
    return RunLookingOut(
        [&](const std::atomic<bool>& stop) { return Locked([&](Index& index) { return action(index, stop); }); });
  }
  // The same, for what does more than work over rows.
  template <typename Action>
  auto AskAtLength(const Action& action) {
    std::atomic<bool> stop = false;
    return RunInterruptibly([&] { return Locked([&](Index& index) { return action(index, stop); }); },
                            [&] { stop = true; });
  }
  void Close() {
    const nb::gil_scoped_release release;
    RequireNotAsking();
    const std::lock_guard lock(mutex_);
    index_.reset();
  }

 private:
  template <typename Action>
  auto Locked(const Action& action) {
    RequireNotAsking();
    const std::lock_guard lock(mutex_);
    if (!index_) FailUsage("this index is closed");
    const AskingScope scope(asking_);
    return action(*index_);
  }
  // A signal's handler may run within a question, on the thread that asks it: it would wait for itself.
  void RequireNotAsking() const {
    if (asking_ == std::this_thread::get_id()) {
      Fail(ErrorCode::kBusy, "this index is answering a question of this thread: a signal's handler cannot use it");
    }
  }

  class AskingScope {
   public:
    explicit AskingScope(std::atomic<std::thread::id>& asking) : asking_(asking) {
      asking_ = std::this_thread::get_id();
    }
    ~AskingScope() { asking_ = std::thread::id(); }
    AskingScope(const AskingScope&) = delete;
    AskingScope& operator=(const AskingScope&) = delete;

   private:
    std::atomic<std::thread::id>& asking_;
  };

  std::mutex mutex_;
  std::atomic<std::thread::id> asking_;
  std::optional<Index> index_;
};

template <typename Number>
nb::object ArrayOf(std::vector<Number> numbers, std::initializer_list<std::size_t> shape) {
  auto* kept = new std::vector<Number>(std::move(numbers));
  const nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<Number>*>(pointer); });
  return nb::cast(nb::ndarray<nb::numpy, Number>(kept->data(), shape, owner));
}

nb::list ListOf(const std::vector<NextToken>& tokens) {
  nb::list list;
  for (const NextToken& next : tokens) list.append(nb::make_tuple(next.token, next.token_id, next.count));
  return list;
}

nb::object TupleOf(const TokenContext& context) {
  return nb::make_tuple(context.position, context.document_id, context.before, context.token, context.after);
}

// Neighbors, and over positions what stands around each.
struct NeighborsInContext {
  NeighborList list;
  std::vector<TokenContext> contexts;
};

// How many tokens before a position and after it are shown.
using ContextWidth = std::pair<std::uint64_t, std::uint64_t>;

NeighborsInContext InContext(Index& index, NeighborList list, const ContextWidth& width) {
  NeighborsInContext found{std::move(list), {}};
  for (const Neighbor& row : found.list.rows) {
    if (row.position) found.contexts.push_back(index.Context(*row.position, width.first, width.second));
  }
  return found;
}

nb::object TupleOf(const NeighborsInContext& found) {
  nb::list rows;
  for (std::size_t i = 0; i < found.list.rows.size(); ++i) {
    const Neighbor& row = found.list.rows[i];
    const nb::object context = found.list.over_positions ? TupleOf(found.contexts[i]) : nb::none();
    rows.append(nb::make_tuple(row.rank, row.string_id, row.position, row.document_id, row.document, row.text, context,
                               row.distance, row.similarity, ListOf(row.next_tokens)));
  }
  return nb::make_tuple(found.list.stream, found.list.block, found.list.t_i, found.list.over_positions, rows,
                        found.list.filled_up);
}

nb::object TupleOf(const Distribution& found) {
  nb::list tokens;
  for (const TokenProbability& token : found.tokens) {
    tokens.append(nb::make_tuple(token.token, token.token_id, token.probability));
  }
  return nb::make_tuple(tokens, found.notes);
}

nb::object TupleOf(const SiteStatistics& statistics) {
  nb::list distances;
  for (const DistanceQuantile& row : statistics.distances) {
    distances.append(nb::make_tuple(row.pairs, row.quantile, row.distance));
  }
  return nb::make_tuple(statistics.mean_length, statistics.median_length, statistics.longest, statistics.long_share,
                        statistics.cosine, statistics.centered_cosine, statistics.worth_centering, distances);
}

nb::object TupleOf(const SiteInfo& site) {
  return nb::make_tuple(site.stream, site.block, site.t_i, site.rows, site.dimension, site.first_string_id,
                        site.element, site.indices, site.over_positions, site.window, site.stride,
                        site.statistics ? TupleOf(*site.statistics) : nb::none(), site.sketch_levels,
                        site.sketch_bytes);
}

// A text, or the ids of its tokens.
PromptInput PromptOf(nb::handle prompt) {
  if (PyUnicode_Check(prompt.ptr())) return nb::cast<std::string>(prompt);
  return nb::cast<std::vector<std::uint32_t>>(prompt);
}

std::span<const std::uint64_t> SpanOf(const RowNumbers& rows) { return {rows.data(), rows.size()}; }

Query With(const Query& query, const std::atomic<bool>& stop) {
  Query with = query;
  with.stop = &stop;
  return with;
}

nb::object InfoOf(SharedIndex& self) {
  const IndexInfo info = self.Ask([](Index& index) { return index.Info(); });
  nb::object model = nb::none();
  if (info.model) {
    model = nb::make_tuple(info.model->vocabulary_size, info.model->blocks, info.model->heads, info.model->embed,
                           info.model->context);
  }
  nb::list sites;
  for (const SiteInfo& site : info.sites) sites.append(TupleOf(site));
  return nb::make_tuple(info.corpus, info.tokens, info.strings, info.string_length, info.vocabulary_size, model, sites);
}

nb::object NeighborsOf(SharedIndex& self, const nb::list& prompts, const Query& query, const ContextWidth& context) {
  std::vector<PromptInput> inputs;
  for (const nb::handle prompt : prompts) inputs.push_back(PromptOf(prompt));
  const auto found = self.AskInterruptibly([&](Index& index, const std::atomic<bool>& stop) {
    std::vector<NeighborsInContext> lists;
    for (NeighborList& list : index.NeighborsOfPrompts(std::span<const PromptInput>(inputs), With(query, stop))) {
      lists.push_back(InContext(index, std::move(list), context));
    }
    return lists;
  });
  nb::list lists;
  for (const NeighborsInContext& list : found) lists.append(TupleOf(list));
  return lists;
}

nb::object NeighborsOfString(SharedIndex& self, std::uint64_t string_id, const Query& query,
                             const ContextWidth& context) {
  return TupleOf(self.AskInterruptibly([&](Index& index, const std::atomic<bool>& stop) {
    return InContext(index, index.NeighborsOfString(string_id, With(query, stop)), context);
  }));
}

nb::object NeighborsOfPosition(SharedIndex& self, std::uint64_t position, const Query& query,
                               const ContextWidth& context) {
  return TupleOf(self.AskInterruptibly([&](Index& index, const std::atomic<bool>& stop) {
    return InContext(index, index.NeighborsOfPosition(position, With(query, stop)), context);
  }));
}

nb::object NeighborsOfVector(SharedIndex& self, const Vectors& vector, const Query& query,
                             const ContextWidth& context) {
  return TupleOf(self.AskInterruptibly([&](Index& index, const std::atomic<bool>& stop) {
    return InContext(index, index.NeighborsOfVector(std::span(vector.data(), vector.size()), With(query, stop)),
                     context);
  }));
}

nb::object Search(SharedIndex& self, const Vectors& vectors, const Query& query) {
  const std::size_t count = vectors.shape(0);
  RowMatches found = self.AskInterruptibly([&](Index& index, const std::atomic<bool>& stop) {
    return index.Search(std::span(vectors.data(), vectors.size()), count, With(query, stop));
  });
  const std::size_t k = found.k;
  return nb::make_tuple(ArrayOf(std::move(found.distances), {count, k}),
                        ArrayOf(std::vector<std::int64_t>(found.rows.begin(), found.rows.end()), {count, k}));
}

nb::object FindSite(SharedIndex& self, const SiteName& site) {
  return TupleOf(self.Ask([&](Index& index) { return index.FindSite(site); }));
}

nb::object RowsByNumber(SharedIndex& self, const SiteName& site, const RowNumbers& rows) {
  std::size_t dimension = 0;
  std::vector<float> numbers = self.Ask([&](Index& index) {
    dimension = index.FindSite(site).dimension;
    std::vector<float> room(rows.size() * dimension);
    index.RowsByNumber(site, SpanOf(rows), room);
    return room;
  });
  return ArrayOf(std::move(numbers), {rows.size(), dimension});
}

nb::object IdsOfRows(SharedIndex& self, const SiteName& site, const RowNumbers& rows) {
  const std::vector<std::uint64_t> ids = self.Ask([&](Index& index) { return index.IdsOfRows(site, SpanOf(rows)); });
  return ArrayOf(std::vector<std::int64_t>(ids.begin(), ids.end()), {ids.size()});
}

nb::object RowFiles(SharedIndex& self, const SiteName& site) {
  nb::list files;
  for (const RowFile& file : self.Ask([&](Index& index) { return index.RowFiles(site); })) {
    const std::string path = file.path.string();
    files.append(nb::make_tuple(nb::bytes(path.data(), path.size()), file.offset, file.first_row, file.rows));
  }
  return files;
}

nb::object NextTokens(SharedIndex& self, nb::handle prefix) {
  const PromptInput input = PromptOf(prefix);
  return ListOf(self.Ask([&](Index& index) { return index.NextTokens(input); }));
}

std::uint64_t Occurrences(SharedIndex& self, nb::handle prefix) {
  const PromptInput input = PromptOf(prefix);
  return self.Ask([&](Index& index) { return index.Occurrences(input); });
}

nb::object NextTokensOfString(SharedIndex& self, std::uint64_t string_id) {
  return ListOf(self.Ask([&](Index& index) { return index.NextTokensOfString(string_id); }));
}

nb::object Predict(SharedIndex& self, nb::handle prompt, const PredictionQuery& query) {
  const PromptInput input = PromptOf(prompt);
  return TupleOf(self.AskInterruptibly([&](Index& index, const std::atomic<bool>& stop) {
    PredictionQuery with = query;
    with.stop = &stop;
    return index.Predict(input, with);
  }));
}

nb::object PredictAtPosition(SharedIndex& self, std::uint64_t position, const PredictionQuery& query) {
  return TupleOf(self.AskInterruptibly([&](Index& index, const std::atomic<bool>& stop) {
    PredictionQuery with = query;
    with.stop = &stop;
    return index.PredictAtPosition(position, with);
  }));
}

nb::object Model(SharedIndex& self, nb::handle prompt) {
  const PromptInput input = PromptOf(prompt);
  return TupleOf(self.Ask([&](Index& index) { return index.Model(input); }));
}

nb::object Documents(SharedIndex& self) {
  nb::list documents;
  for (const DocumentInfo& document : self.Ask([](Index& index) { return index.Documents(); })) {
    documents.append(nb::make_tuple(document.document_id, document.name, document.first_position, document.tokens));
  }
  return documents;
}

nb::object ContextOf(SharedIndex& self, std::uint64_t position, std::uint64_t before, std::uint64_t after) {
  return TupleOf(self.Ask([&](Index& index) { return index.Context(position, before, after); }));
}

std::vector<std::uint32_t> Encode(SharedIndex& self, const std::string& text) {
  return self.Ask([&](Index& index) { return index.Encode(text); });
}

std::string Decode(SharedIndex& self, const std::vector<std::uint32_t>& token_ids) {
  return self.Ask([&](Index& index) { return index.Decode(token_ids); });
}

const char* Name(IndexFinding::State state) {
  switch (state) {
    case IndexFinding::State::kSound:
      return "sound";
    case IndexFinding::State::kDamaged:
      return "damaged";
    case IndexFinding::State::kLeftover:
      return "leftover";
    case IndexFinding::State::kAdded:
      return "added";
  }
  return "damaged";
}

nb::object Verify(SharedIndex& self) {
  const auto findings = self.AskAtLength([](Index& index, const std::atomic<bool>& stop) {
    return index.Verify([&](std::uint64_t, std::uint64_t) { return !stop; });
  });
  nb::list list;
  for (const IndexFinding& finding : findings) {
    // The name of a file that is no part of the index may be anything.
    const nb::object path = nb::steal(
        PyUnicode_DecodeUTF8(finding.path.data(), static_cast<Py_ssize_t>(finding.path.size()), "backslashreplace"));
    list.append(nb::make_tuple(path, Name(finding.state), finding.message));
  }
  return list;
}

}  // namespace

void BindIndex(nb::module_& module) {
  nb::class_<Query>(module, "Query")
      .def(nb::init<>())
      .def_rw("stream", &Query::stream)
      .def_rw("block", &Query::block, nb::arg().none())
      .def_rw("t_i", &Query::t_i, nb::arg().none())
      .def_rw("rows", &Query::rows)
      .def_rw("at", &Query::at)
      .def_rw("metric", &Query::metric)
      .def_rw("center", &Query::center)
      .def_rw("order", &Query::order)
      .def_rw("k", &Query::k, nb::arg().none())
      .def_rw("low", &Query::low, nb::arg().none())
      .def_rw("high", &Query::high, nb::arg().none())
      .def_rw("where", &Query::where)
      .def_rw("exclude_self", &Query::exclude_self)
      .def_rw("exclude_window", &Query::exclude_window)
      .def_rw("max_length", &Query::max_length, nb::arg().none())
      .def_rw("distinct", &Query::distinct)
      .def_rw("index", &Query::index)
      .def_rw("parameters", &Query::parameters)
      .def_rw("threads", &Query::threads)
      .def_rw("next_tokens", &Query::next_tokens);
  nb::class_<SiteName>(module, "SiteName")
      .def(
          "__init__",
          [](SiteName* self, const std::string& stream, std::optional<int> block, std::optional<int> t_i,
             const std::string& rows) {
            new (self) SiteName{stream, block, t_i, rows};
          },
          nb::arg("stream"), nb::arg("block").none(), nb::arg("t_i").none(), nb::arg("rows"));
  nb::class_<PredictionQuery>(module, "PredictionQuery")
      .def(nb::init<>())
      .def_rw("scheme", &PredictionQuery::scheme)
      .def_rw("t_is", &PredictionQuery::t_is)
      .def_rw("k", &PredictionQuery::k, nb::arg().none())
      .def_rw("metric", &PredictionQuery::metric)
      .def_rw("center", &PredictionQuery::center)
      .def_rw("merge", &PredictionQuery::merge)
      .def_rw("where", &PredictionQuery::where)
      .def_rw("exclude_self", &PredictionQuery::exclude_self, nb::arg().none())
      .def_rw("exclude_window", &PredictionQuery::exclude_window)
      .def_rw("max_length", &PredictionQuery::max_length, nb::arg().none())
      .def_rw("rows", &PredictionQuery::rows)
      .def_rw("at", &PredictionQuery::at)
      .def_rw("threads", &PredictionQuery::threads);
  nb::class_<SharedIndex>(module, "Index")
      .def("__init__",
           [](SharedIndex* self, const nb::bytes& directory) {
             const std::string path(directory.c_str(), directory.size());
             const nb::gil_scoped_release release;
             new (self) SharedIndex(path);
           })
      .def("close", &SharedIndex::Close)
      .def("info", InfoOf)
      .def("neighbors", NeighborsOf, nb::arg("prompts"), nb::arg("query"), nb::arg("context"))
      .def("neighbors_of_string", NeighborsOfString, nb::arg("string_id"), nb::arg("query"), nb::arg("context"))
      .def("neighbors_of_position", NeighborsOfPosition, nb::arg("position"), nb::arg("query"), nb::arg("context"))
      .def("neighbors_of_vector", NeighborsOfVector, nb::arg("vector"), nb::arg("query"), nb::arg("context"))
      .def("search", Search, nb::arg("vectors"), nb::arg("query"))
      .def("find_site", FindSite, nb::arg("site"))
      .def("rows_by_number", RowsByNumber, nb::arg("site"), nb::arg("rows"))
      .def("ids_of_rows", IdsOfRows, nb::arg("site"), nb::arg("rows"))
      .def("row_files", RowFiles, nb::arg("site"))
      .def("next_tokens", NextTokens, nb::arg("prefix"))
      .def("next_tokens_of_string", NextTokensOfString, nb::arg("string_id"))
      .def("occurrences", Occurrences, nb::arg("prefix"))
      .def("predict", Predict, nb::arg("prompt"), nb::arg("query"))
      .def("predict_at_position", PredictAtPosition, nb::arg("position"), nb::arg("query"))
      .def("model", Model, nb::arg("prompt"))
      .def("documents", Documents)
      .def("context", ContextOf, nb::arg("position"), nb::arg("before"), nb::arg("after"))
      .def("encode", Encode, nb::arg("text"))
      .def("decode", Decode, nb::arg("token_ids"))
      .def("verify", Verify);
}

}  // namespace actkin
