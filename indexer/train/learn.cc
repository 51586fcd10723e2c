#include "indexer/train/learn.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "schema/error.h"
#include "schema/random.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

// Which numbers a draw is made from: training and the reports of each half have their own.
enum class Draw : std::uint64_t { kTraining, kTrainingReport, kHeldOutReport };

json PlanJson(const LearnPlan& plan) {
  return {{"data", plan.data},
          {"training_prompts", plan.training_prompts},
          {"steps", plan.steps},
          {"batch", plan.batch},
          {"lr", plan.learning_rate},
          {"seed", plan.seed},
          {"report_every", plan.report_every},
          {"report_batches", plan.report_batches}};
}

// What a run continues from.
struct LearnCheckpoint {
  WeightLearnerState state;
  std::vector<LearnReport> reports;
};

void WriteCheckpoint(const std::filesystem::path& path, const LearnPlan& plan, const LearnCheckpoint& checkpoint) {
  json reports = json::array();
  for (const LearnReport& report : checkpoint.reports) {
    json row = {{"steps", report.steps}, {"training_loss", report.training_loss}};
    if (report.held_out_loss) row["held_out_loss"] = *report.held_out_loss;
    reports.push_back(std::move(row));
  }
  ReplaceFile(path, json{{"plan", PlanJson(plan)},
                         {"steps", checkpoint.state.steps},
                         {"weights", checkpoint.state.weights},
                         {"first_moments", checkpoint.state.first_moments},
                         {"second_moments", checkpoint.state.second_moments},
                         {"reports", std::move(reports)}}
                        .dump());
}

LearnCheckpoint ReadCheckpoint(const std::filesystem::path& path, const LearnPlan& plan, std::uint64_t terms) {
  try {
    const json object = json::parse(ReadFile(path));
    if (object.at("plan") != PlanJson(plan)) Fail("{}: belongs to another learning: remove it", path.string());
    LearnCheckpoint checkpoint;
    checkpoint.state.steps = object.at("steps").get<std::uint64_t>();
    const auto numbers = [&](const char* name, std::vector<float>& into) {
      into = object.at(name).get<std::vector<float>>();
      const bool finite = std::ranges::all_of(into, [](float number) { return std::isfinite(number); });
      if (into.size() != terms || !finite) Fail("{}: damaged ({}): remove it to begin anew", path.string(), name);
    };
    numbers("weights", checkpoint.state.weights);
    numbers("first_moments", checkpoint.state.first_moments);
    numbers("second_moments", checkpoint.state.second_moments);
    for (const json& row : object.at("reports")) {
      LearnReport& report = checkpoint.reports.emplace_back();
      report.steps = row.at("steps").get<std::uint64_t>();
      report.training_loss = row.at("training_loss").get<double>();
      if (row.contains("held_out_loss")) report.held_out_loss = row.at("held_out_loss").get<double>();
    }
    if (checkpoint.state.steps > plan.steps) Fail("{}: damaged (steps): remove it to begin anew", path.string());
    return checkpoint;
  } catch (const json::exception&) {
    Fail("{}: cannot be read: remove it to begin anew", path.string());
  }
}

class Learning {
 public:
  Learning(const WeightLearningData& data, const LearnOptions& options, const TorchBackend& backend,
           const std::function<void(const LearnReport&)>& hear, ProgressListener& progress)
      : data_(data), options_(options), plan_(options.plan), backend_(backend), hear_(hear), progress_(progress) {}

  LearnSummary Go() {
    summary_.first_weights = backend_.InitialSchemeWeights(plan_.seed, static_cast<std::int64_t>(data_.terms - 1) / 2);
    Start();
    progress_.Begin("learn", plan_.steps, "steps");
    const std::uint64_t already = steps_;
    Clock::time_point last_save = Clock::now();
    bool stopped = false;
    while (steps_ < plan_.steps && !stopped) {
      if (steps_ % plan_.report_every == 0) Report();
      Step();
      progress_.Advance(steps_, already);
      stopped = options_.stop != nullptr && options_.stop->load() && steps_ < plan_.steps;
      const double seconds = std::chrono::duration<double>(Clock::now() - last_save).count();
      if (stopped || seconds >= options_.checkpoint_seconds) {
        WriteCheckpoint(options_.checkpoint, plan_, {learner_->State(), summary_.reports});
        last_save = Clock::now();
      }
    }
    summary_.finished = !stopped;
    if (summary_.finished) {
      Report();
      WriteCheckpoint(options_.checkpoint, plan_, {learner_->State(), summary_.reports});
    }
    progress_.End();
    summary_.steps = steps_;
    summary_.weights = learner_->State().weights;
    return summary_;
  }

 private:
  void Start() {
    LearnCheckpoint checkpoint;
    if (std::filesystem::exists(options_.checkpoint)) {
      checkpoint = ReadCheckpoint(options_.checkpoint, plan_, data_.terms);
      progress_.Note(fmt::format("the learning continues after step {}", checkpoint.state.steps));
    } else {
      checkpoint.state.weights = summary_.first_weights;
    }
    steps_ = checkpoint.state.steps;
    summary_.reports = std::move(checkpoint.reports);
    learner_ = backend_.NewWeightLearner(data_, checkpoint.state);
  }

  // Batch number `number` of a draw, from prompts [begin, end).
  const std::vector<std::uint32_t>& DrawBatch(Draw draw, std::uint64_t number, std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t base = MixedBits(MixedBits(plan_.seed) + static_cast<std::uint64_t>(draw));
    batch_.resize(plan_.batch);
    for (std::uint64_t i = 0; i < plan_.batch; ++i) {
      batch_[i] = static_cast<std::uint32_t>(begin + MixedBits(base + number * plan_.batch + i) % (end - begin));
    }
    return batch_;
  }

  void Step() {
    const double loss =
        learner_->Step(DrawBatch(Draw::kTraining, steps_, 0, plan_.training_prompts), plan_.learning_rate);
    if (!std::isfinite(loss)) {
      progress_.End();
      Fail("step {}: the loss is not a number any more: learn with a smaller `lr` than {}, or another `seed`",
           steps_ + 1, plan_.learning_rate);
    }
    ++steps_;
  }

  double MeanLoss(Draw draw, std::uint64_t begin, std::uint64_t end) {
    double sum = 0;
    for (std::uint64_t i = 0; i < plan_.report_batches; ++i) {
      sum += learner_->Loss(DrawBatch(draw, steps_ * plan_.report_batches + i, begin, end));
    }
    return sum / static_cast<double>(plan_.report_batches);
  }

  void Report() {
    // A run that was stopped between a report and its step has made it already.
    if (!summary_.reports.empty() && summary_.reports.back().steps == steps_) return;
    LearnReport report{steps_, MeanLoss(Draw::kTrainingReport, 0, plan_.training_prompts), std::nullopt};
    if (plan_.training_prompts < data_.prompts()) {
      report.held_out_loss = MeanLoss(Draw::kHeldOutReport, plan_.training_prompts, data_.prompts());
    }
    progress_.Detail(report.held_out_loss
                         ? fmt::format("loss {:.4f}  held out {:.4f}", report.training_loss, *report.held_out_loss)
                         : fmt::format("loss {:.4f}", report.training_loss));
    summary_.reports.push_back(report);
    hear_(report);
  }

  const WeightLearningData& data_;
  const LearnOptions& options_;
  const LearnPlan& plan_;
  const TorchBackend& backend_;
  const std::function<void(const LearnReport&)>& hear_;
  ProgressListener& progress_;
  std::unique_ptr<WeightLearner> learner_;
  std::vector<std::uint32_t> batch_;
  std::uint64_t steps_ = 0;
  LearnSummary summary_;
};

}  // namespace

LearnSummary LearnWeights(const WeightLearningData& data, const LearnOptions& options, const TorchBackend& backend,
                          const std::function<void(const LearnReport&)>& hear, ProgressListener& progress) {
  return Learning(data, options, backend, hear, progress).Go();
}

}  // namespace actkin
