#include "query/experiment/position_evaluation.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "query/experiment/prompt_work.h"
#include "query/predict/prediction.h"
#include "schema/error.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/formats/prompt_record_file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr std::uint64_t kSafeTogether = 16;  // prompts whose agreement is made safe together

// Runs that ask the same neighbors, which are found once for all of them.
struct Group {
  PoolRequest request;
  std::vector<Scheme> schemes;
  std::vector<std::size_t> runs;
};

std::vector<Group> GroupRuns(std::span<const EvaluationRun> runs) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    auto group = std::ranges::find(groups, runs[i].request, &Group::request);
    if (group == groups.end()) group = groups.insert(group, {runs[i].request, {}, {}});
    group->schemes.push_back(runs[i].scheme);
    group->runs.push_back(i);
  }
  return groups;
}

// What a record of the file is: of one run.
struct Record {
  double hellinger = 1;
  std::uint16_t in_order = 0;
  std::uint16_t any_order = 0;
  std::uint32_t zeros = 0;
};
static_assert(sizeof(Record) == 16);

// Names all that the agreement depends on.
std::string WorkName(Experiment& experiment, int blocks, std::span<const EvaluationRun> runs, RowRange prompts,
                     Reference reference) {
  IndexReader& reader = experiment.reader();
  const std::optional<ModelRow> model = reader.catalog().Model();
  std::string what = fmt::format("{} {} {} {} {} {}", experiment.set().row.sha256, reader.corpus().sha256,
                                 model ? model->sha256 : "", Name(reference), prompts.begin, prompts.end);
  const std::vector<Site> sites = PositionSitesOf(runs, blocks);
  for (const Site& site : sites) {
    what += "\n" + Describe(site);
    for (const VectorFileRow& file : reader.catalog().VectorFiles(reader.RequireSite(site).site_id)) {
      what += " " + file.file.checksum;
    }
  }
  // What a condition holds for, whatever its words: it may read tables that change.
  std::map<std::string, std::string> passing;
  for (const auto& [scheme, request] : runs) {
    const auto [found, is_new] = passing.try_emplace(request.where);
    if (is_new && !request.where.empty()) {
      const std::vector<std::int64_t> positions = reader.IdsWhere(sites.front(), request.where);
      found->second = Sha256(std::as_bytes(std::span(positions)));
    }
    what += fmt::format("\n{} {} {} {} {} {} {} {}", SchemeJson(scheme), Name(request.metric), request.metric_is_open,
                        request.k.value_or(0), request.exclude_self, request.exclude_window,
                        request.max_length.value_or(-1), found->second);
    for (const std::optional<Band>& band : request.bands) what += " " + (band ? FormatBand(*band) : "none");
  }
  return fmt::format("evaluate-{}.agreement", Sha256(what).substr(0, 12));
}

}  // namespace

std::vector<Site> PositionSitesOf(std::span<const EvaluationRun> runs, int blocks) {
  std::vector<Site> sites;
  for (std::size_t term = 0; term < Terms(blocks).size(); ++term) {
    const Term of = Terms(blocks)[term];
    const bool used = std::ranges::any_of(runs, [term](const EvaluationRun& run) { return run.scheme.Uses(term); });
    if (used) sites.push_back({of.stream, of.block, kOverPositions});
  }
  return sites;
}

std::vector<Agreement> EvaluatePositions(Experiment& experiment, int blocks, std::span<const EvaluationRun> runs,
                                         RowRange prompts) {
  IndexReader& reader = experiment.reader();
  const std::vector<Site> sites = PositionSitesOf(runs, blocks);
  reader.RequireSites(sites);
  for (const Site& site : sites) reader.OpenIndex(site);  // damage is found before the work begins
  for (const EvaluationRun& run : runs) {
    for (const Site& site : sites) RequireSomeRows(reader, site, {run.request.where, run.request.max_length});
  }
  const std::vector<Group> groups = GroupRuns(runs);
  const Reference reference = ReferenceOf(experiment);
  const ReferenceDistributions references(experiment, reference);
  experiment.Lock();

  const std::string name = WorkName(experiment, blocks, runs, prompts, reference);
  const WorkPlan plan{name, prompts.size(), kSafeTogether};
  WorkFolder work(ExperimentPartial(reader.directory(), name), plan, {0, plan.batches()},
                  {reader.directory().path() / name}, 1);
  PromptRecordWriter writer(work.File(0), FileKind::kAgreements, prompts.size(), runs.size() * sizeof(Record), {},
                            WrittenOf(work));
  FillRecords(work, "evaluate", writer, experiment.progress(), [&](RowRange batch) {
    const RowRange some{prompts.begin + batch.begin, prompts.begin + batch.end};
    std::vector<std::vector<float>> own(some.size());
    references.ForEach(some, [&](int, std::uint64_t prompt, std::span<const float> distribution) {
      own[prompt - some.begin].assign(distribution.begin(), distribution.end());
    });
    std::vector<Record> records;
    for (std::uint64_t prompt = some.begin; prompt < some.end; ++prompt) {
      const ComparedDistribution compared(own[prompt - some.begin]);
      std::vector<Record> of_one(runs.size());
      for (const Group& group : groups) {
        const std::vector<Prediction> predictions =
            Predict(reader, experiment.set().prompts[prompt], group.schemes, group.request, "", experiment.threads());
        for (std::size_t i = 0; i < predictions.size(); ++i) {
          const PromptAgreement agreement = compared.Compare(predictions[i].probabilities);
          of_one[group.runs[i]] = {agreement.hellinger, agreement.in_order, agreement.any_order, 0};
        }
      }
      std::ranges::move(of_one, std::back_inserter(records));
    }
    writer.Write(std::as_bytes(std::span(records)));
  });
  writer.Finish();

  const PromptRecordFile file(work.File(0), FileKind::kAgreements);
  std::vector<AgreementCounter> counters(runs.size());
  for (std::uint64_t prompt = 0; prompt < prompts.size(); ++prompt) {
    std::vector<Record> of_one(runs.size());
    std::memcpy(of_one.data(), file.Record(prompt).data(), of_one.size() * sizeof(Record));
    for (std::size_t run = 0; run < runs.size(); ++run) {
      counters[run].Add({of_one[run].in_order, of_one[run].any_order, of_one[run].hellinger});
    }
  }
  work.Remove();
  std::vector<Agreement> agreements;
  for (const AgreementCounter& counter : counters) agreements.push_back(counter.Finish());
  return agreements;
}

}  // namespace actkin
