#include "indexer/train/training_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "indexer/model/checkpoint.h"
#include "schema/error.h"
#include "storage/exchange/safetensors.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

using json = nlohmann::json;

constexpr char kRecordKey[] = "training";
// What stands before the names of the tensors in the training file.
constexpr std::array<const char*, 3> kParts = {"parameters.", "first_moments.", "second_moments."};

json PlanJson(const TrainingPlan& plan) {
  json object = {{"corpus_sha256", plan.corpus_sha256},
                 {"vocabulary_size", plan.vocabulary_size},
                 {"blocks", plan.blocks},
                 {"heads", plan.heads},
                 {"embed", plan.embed},
                 {"context", plan.context},
                 {"batch", plan.batch},
                 {"lr", plan.learning_rate},
                 {"dropout", plan.dropout},
                 {"seed", plan.seed},
                 {"threads", plan.threads}};
  object["steps"] = plan.steps ? json(*plan.steps) : json();
  object["minutes"] = plan.minutes ? json(*plan.minutes) : json();
  return object;
}

// Throws nlohmann::json::exception where the object is not what PlanJson makes.
TrainingPlan PlanOf(const json& object) {
  TrainingPlan plan;
  plan.corpus_sha256 = object.at("corpus_sha256").get<std::string>();
  plan.vocabulary_size = object.at("vocabulary_size").get<std::int64_t>();
  plan.blocks = object.at("blocks").get<std::int64_t>();
  plan.heads = object.at("heads").get<std::int64_t>();
  plan.embed = object.at("embed").get<std::int64_t>();
  plan.context = object.at("context").get<std::int64_t>();
  plan.batch = object.at("batch").get<std::int64_t>();
  plan.learning_rate = object.at("lr").get<double>();
  plan.dropout = object.at("dropout").get<double>();
  plan.seed = object.at("seed").get<std::uint64_t>();
  plan.threads = object.at("threads").get<int>();
  if (!object.at("steps").is_null()) plan.steps = object.at("steps").get<std::uint64_t>();
  if (!object.at("minutes").is_null()) plan.minutes = object.at("minutes").get<double>();
  return plan;
}

TrainingRecord RecordOf(const std::map<std::string, std::string>& metadata, const std::string& where) {
  const auto found = metadata.find(kRecordKey);
  if (found == metadata.end()) Fail("{}: is not a file to continue a training from", where);
  try {
    const json object = json::parse(found->second);
    TrainingRecord record;
    record.plan = PlanOf(object.at("plan"));
    record.steps = object.at("steps").get<std::uint64_t>();
    record.loss = object.at("loss").get<double>();
    record.validation_loss = object.value("validation_loss", 0.0);
    record.finished = object.value("finished", false);
    record.seconds = object.value("seconds", 0.0);
    if (!(record.seconds >= 0)) Fail("{}: it trained for {} seconds: that cannot be", where, record.seconds);
    return record;
  } catch (const json::exception&) {
    Fail("{}: what it says about its training cannot be read", where);
  }
}

// "with `batch` 64, here it is `batch` 32", of the first setting that differs; empty where none does.
std::string Difference(const TrainingPlan& there, const TrainingPlan& here) {
  const json theirs = PlanJson(there);
  const json ours = PlanJson(here);
  for (const auto& [name, value] : theirs.items()) {
    if (value == ours[name]) continue;
    if (name == "corpus_sha256" || name == "vocabulary_size") return "with another text";
    const auto text = [&name = name](const json& of) {
      return of.is_null() ? fmt::format("no `{}`", name) : fmt::format("`{}` {}", name, of.dump());
    };
    return fmt::format("with {}, here it is {}", text(value), text(ours[name]));
  }
  return "";
}

}  // namespace

ModelShape TrainingPlan::Shape() const {
  return {.vocabulary_size = vocabulary_size,
          .context = context,
          .embed = embed,
          .blocks = blocks,
          .heads = heads,
          .head_size = embed / heads,
          .hidden = 4 * embed};
}

std::filesystem::path TrainingFilePath(const std::filesystem::path& out) {
  std::filesystem::path path = out;
  path += ".training";
  return path;
}

std::filesystem::path TrainingLockPath(const std::filesystem::path& out) {
  std::filesystem::path path = out;
  path += ".lock";
  return path;
}

void RemoveTrainingFile(const std::filesystem::path& out) {
  std::error_code ignored;
  std::filesystem::remove(UnfinishedPath(TrainingFilePath(out)), ignored);
  std::filesystem::remove(TrainingFilePath(out));
}

void WriteTrainingFile(const std::filesystem::path& path, const TrainingFile& file) {
  StateDict all;
  const std::array<const StateDict*, 3> parts = {&file.state.parameters, &file.state.first_moments,
                                                 &file.state.second_moments};
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (const auto& [name, tensor] : parts[part]->tensors) all.tensors[kParts[part] + name] = tensor;
  }
  all.metadata[kRecordKey] = json{
      {"plan", PlanJson(file.plan)},
      {"steps", file.state.steps},
      {"loss", file.loss},
      {"seconds", file.seconds}}.dump();
  ReplaceFile(path, SerializeSafetensors(all));
}

TrainingFile ReadTrainingFile(const std::filesystem::path& path, const TrainingPlan& plan) {
  const std::string where = path.string();
  const SafetensorsFile mapped(path);
  const TrainingRecord record = RecordOf(mapped.metadata(), where);
  const std::string difference = Difference(record.plan, plan);
  if (!difference.empty()) {
    Fail("{}: belongs to a training {}: give the same flags to continue it, or remove the file to begin anew", where,
         difference);
  }
  if (plan.steps && record.steps > *plan.steps) Fail("{}: {} of {} steps cannot be", where, record.steps, *plan.steps);
  TrainingFile file{.plan = record.plan, .loss = record.loss, .seconds = record.seconds, .state = {}};
  file.state.steps = record.steps;
  StateDict all = mapped.Read();
  const std::array<StateDict*, 3> parts = {&file.state.parameters, &file.state.first_moments,
                                           &file.state.second_moments};
  const TensorShapes expected = ExpectedTensors(plan.Shape());
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (const auto& [name, shape] : expected) {
      const auto found = all.tensors.find(kParts[part] + name);
      if (found == all.tensors.end()) Fail("{}: tensor {}{} is missing", where, kParts[part], name);
      if (found->second.shape != shape) Fail("{}: tensor {}{} is misshapen", where, kParts[part], name);
      if (!std::ranges::all_of(found->second.values, [](float value) { return std::isfinite(value); })) {
        Fail("{}: tensor {}{} holds NaN or infinity", where, kParts[part], name);
      }
      parts[part]->tensors[name] = std::move(found->second);
    }
  }
  return file;
}

void WriteTrainedModel(const std::filesystem::path& path, const StateDict& parameters, const Vocabulary& vocabulary,
                       const TrainingRecord& record) {
  StateDict model = parameters;
  model.metadata[kVocabularyKey] = vocabulary.Json();
  // Without the seconds: the model file of a budget in steps is always the same.
  model.metadata[kRecordKey] = json{
      {"plan", PlanJson(record.plan)},
      {"steps", record.steps},
      {"loss", record.loss},
      {"validation_loss", record.validation_loss},
      {"finished",
       record.finished}}.dump();
  ReplaceFile(path, SerializeSafetensors(model));
}

std::optional<TrainingRecord> ReadTrainingRecord(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  if (!file.metadata().contains(kRecordKey)) return std::nullopt;
  return RecordOf(file.metadata(), path.string());
}

}  // namespace actkin
