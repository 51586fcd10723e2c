#include "indexer/train/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "indexer/text/corpus.h"
#include "schema/error.h"
#include "schema/random.h"
#include "schema/text.h"
#include "schema/vocabulary.h"
#include "storage/machine/file.h"
#include "storage/machine/file_lock.h"
#include "storage/machine/given_input.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

// Tokens that validation looks at: at the end, and on the way.
constexpr std::size_t kFinalValidationTokens = 1 << 17;
constexpr std::size_t kPassingValidationTokens = 1 << 13;
constexpr int kPassingValidations = 10;
// The running mean of the loss forgets this share a step.
constexpr double kForgotten = 0.02;
// A checkpoint is due after so many seconds, or when writing the last one took only a fiftieth of the time since.
constexpr double kSaveSeconds = 10;
constexpr double kSaveShare = 50;

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// The text as tokens, and where its validation part begins.
struct TrainingText {
  Vocabulary vocabulary;
  std::vector<TokenId> tokens;
  std::size_t split = 0;

  std::span<const TokenId> training() const { return std::span(tokens).first(split); }
  std::span<const TokenId> validation() const { return std::span(tokens).subspan(split); }
};

TrainingText MakeText(const std::string& utf8, const std::string& path, std::int64_t context) {
  const std::u32string points = CodePoints(utf8, path);
  TrainingText text{.vocabulary = Vocabulary::OfText(points), .tokens = {}, .split = points.size() / 10 * 9};
  text.tokens = text.vocabulary.Encode(points, path);
  const auto sequence = static_cast<std::size_t>(context) + 1;
  if (std::min(text.training().size(), text.validation().size()) < sequence) {
    Fail("{}: {} characters are too few for `context` {}: at least {} are needed, since a tenth is kept for validation",
         path, text.tokens.size(), context, 10 * sequence);
  }
  return text;
}

void CheckPlan(const TrainingPlan& plan) {
  if (plan.embed % plan.heads != 0) {
    FailUsage("`embed` {} cannot be divided among `heads` {}: give a multiple of {}", plan.embed, plan.heads,
              plan.heads);
  }
  if (plan.steps.has_value() == plan.minutes.has_value()) FailUsage("give either `steps` or `minutes`");
  if (plan.steps && *plan.steps == 0) FailUsage("`steps` 0: expected at least 1");
  if (plan.minutes && !(*plan.minutes > 0 && std::isfinite(*plan.minutes)))
    FailUsage("`minutes` {}: expected more than 0", *plan.minutes);
  if (!(plan.learning_rate > 0 && std::isfinite(plan.learning_rate)))
    FailUsage("`lr` {}: expected more than 0", plan.learning_rate);
  if (!(plan.dropout >= 0 && plan.dropout < 1)) FailUsage("`dropout` {}: expected 0 <= dropout < 1", plan.dropout);
}

// Finds what would only come to light when the first checkpoint is written.
void CheckOut(const std::filesystem::path& out, const std::filesystem::path& corpus) {
  if (std::filesystem::is_directory(out)) Fail("{}: is a folder: give `out` the name of a file", out.string());
  if (out.extension() != ".safetensors") FailUsage("`out` {}: expected a name that ends in .safetensors", out.string());
  const std::filesystem::path folder = out.has_parent_path() ? out.parent_path() : ".";
  if (!std::filesystem::is_directory(folder)) Fail("{}: the folder {} does not exist", out.string(), folder.string());
  std::error_code ignored;
  if (std::filesystem::equivalent(out, corpus, ignored)) FailUsage("`out` {}: is the corpus", out.string());
}

// Sequences of a batch: the same for the same seed and step.
std::vector<TokenId> DrawBatch(std::span<const TokenId> tokens, const TrainingPlan& plan, std::uint64_t step) {
  const auto sequence = static_cast<std::size_t>(plan.context) + 1;
  const auto batch = static_cast<std::size_t>(plan.batch);
  std::vector<TokenId> drawn;
  drawn.reserve(batch * sequence);
  for (std::size_t i = 0; i < batch; ++i) {
    const std::size_t begin = MixedBits(MixedBits(plan.seed) + step * batch + i) % (tokens.size() - sequence + 1);
    const auto from = tokens.subspan(begin, sequence);
    drawn.insert(drawn.end(), from.begin(), from.end());
  }
  return drawn;
}

// Sequences side by side; where they hold more than `limit` tokens, as many as that allows, evenly spread.
std::vector<TokenId> ValidationSequences(std::span<const TokenId> tokens, std::int64_t context_tokens,
                                         std::size_t limit) {
  const auto context = static_cast<std::size_t>(context_tokens);
  const std::size_t all = (tokens.size() - 1) / context;
  const std::size_t count = std::min(all, std::max<std::size_t>(limit / context, 1));
  std::vector<TokenId> sequences;
  for (std::size_t i = 0; i < count; ++i) {
    const auto from = tokens.subspan(i * all / count * context, context + 1);
    sequences.insert(sequences.end(), from.begin(), from.end());
  }
  return sequences;
}

// One run of a training: from its beginning or from a training file to its end, or until it is told to stop.
class TrainingRun {
 public:
  TrainingRun(const TrainOptions& options, const TrainingText& text, ProgressListener& progress)
      : options_(options), plan_(options.plan), text_(text), progress_(progress) {}

  TrainSummary Go(const TrainerMaker& make) {
    Start(make);
    const std::vector<TokenId> passing =
        ValidationSequences(text_.validation(), plan_.context, kPassingValidationTokens);
    const double seconds_before = seconds_;
    const std::uint64_t steps_before = steps_;
    ShowBegin();
    last_save_ = Clock::now();
    double next_validation = std::floor(Done() * kPassingValidations + 1) / kPassingValidations;
    bool stopped = false;
    while (Done() < 1 && !stopped) {
      Step();
      if (Done() >= next_validation && Done() < 1) {
        validation_loss_ = trainer_->Loss(passing);
        next_validation += 1.0 / kPassingValidations;
      }
      Show(Rate(steps_ - steps_before, seconds_ - seconds_before));
      stopped = options_.stop != nullptr && options_.stop->load() && Done() < 1;
      if (stopped || SaveIsDue()) Save(passing);
    }
    progress_.End();
    TrainSummary summary;
    summary.finished = !stopped;
    if (summary.finished) Finish();
    for (const auto& [name, shape] : ExpectedTensors(plan_.Shape())) {
      std::uint64_t numbers = 1;
      for (const std::int64_t size : shape) numbers *= static_cast<std::uint64_t>(size);
      summary.parameters += numbers;
    }
    summary.steps = steps_;
    summary.loss = loss_;
    summary.validation_loss = validation_loss_.value_or(0);
    summary.tokens_per_second = Rate(steps_ - steps_before, seconds_ - seconds_before);
    summary.seconds = seconds_;
    if (options_.measure_limit) {
      summary.limit_tokens_per_second =
          StepTokens() / trainer_->MatrixProductSeconds(static_cast<std::size_t>(plan_.batch));
    }
    return summary;
  }

 private:
  double StepTokens() const { return static_cast<double>(plan_.batch * plan_.context); }
  double Rate(std::uint64_t steps, double seconds) const {
    return seconds > 0 ? static_cast<double>(steps) * StepTokens() / seconds : 0;
  }

  // The share of the budget that is used up.
  double Done() const {
    return plan_.steps ? static_cast<double>(steps_) / static_cast<double>(*plan_.steps)
                       : std::min(1.0, seconds_ / (60 * *plan_.minutes));
  }

  void Start(const TrainerMaker& make) {
    const std::filesystem::path path = TrainingFilePath(options_.out);
    TrainingState state;
    if (std::filesystem::exists(path)) {
      TrainingFile file = ReadTrainingFile(path, plan_);
      seconds_ = file.seconds;
      loss_ = file.loss;
      state = std::move(file.state);
      progress_.Note(fmt::format("{}: continues after step {}", options_.out.string(), state.steps));
    } else {
      if (options_.must_resume) Fail("{}: there is no unfinished training to resume", options_.out.string());
      state.parameters = InitialParameters(plan_.Shape(), plan_.seed);
    }
    steps_ = state.steps;
    trainer_ = make({.threads = static_cast<int>(std::min<std::int64_t>(plan_.threads, plan_.batch)),
                     .dropout = plan_.dropout,
                     .seed = plan_.seed},
                    state);
  }

  void Step() {
    const Clock::time_point start = Clock::now();
    // In steps, the middle of the one at hand: neither the first nor the last is without effect.
    const double done = plan_.steps ? (static_cast<double>(steps_) + 0.5) / static_cast<double>(*plan_.steps) : Done();
    const std::vector<TokenId> batch = DrawBatch(text_.training(), plan_, steps_);
    const double loss = trainer_->Step(batch, LearningRate(plan_.learning_rate, done));
    if (!std::isfinite(loss)) {
      progress_.End();
      std::error_code ignored;
      const std::filesystem::path path = TrainingFilePath(options_.out);
      const std::string first =
          std::filesystem::exists(path, ignored) ? fmt::format(" (remove {} first)", path.string()) : "";
      Fail("step {}: the loss is not a number any more: train with a smaller `lr` than {}{}", steps_ + 1,
           plan_.learning_rate, first);
    }
    ++steps_;
    loss_ = steps_ == 1 ? loss : loss_ + kForgotten * (loss - loss_);
    seconds_ += Seconds(Clock::now() - start);
  }

  bool SaveIsDue() const {
    if (Done() >= 1) return false;
    if (options_.save_every && steps_ % *options_.save_every == 0) return true;
    return Seconds(Clock::now() - last_save_) >= std::max(kSaveSeconds, kSaveShare * save_seconds_);
  }

  // The training file before the model: whichever of the two is written when the process ends, it continues.
  void Save(const std::vector<TokenId>& passing) {
    const Clock::time_point start = Clock::now();
    if (!validation_loss_) validation_loss_ = trainer_->Loss(passing);
    const TrainingFile file{.plan = plan_, .loss = loss_, .seconds = seconds_, .state = trainer_->State()};
    WriteTrainingFile(TrainingFilePath(options_.out), file);
    WriteTrainedModel(options_.out, file.state.parameters, text_.vocabulary, Record(false));
    last_save_ = Clock::now();
    save_seconds_ = Seconds(last_save_ - start);
  }

  void Finish() {
    validation_loss_ = trainer_->Loss(ValidationSequences(text_.validation(), plan_.context, kFinalValidationTokens));
    WriteTrainedModel(options_.out, trainer_->State().parameters, text_.vocabulary, Record(true));
    RemoveTrainingFile(options_.out);
  }

  TrainingRecord Record(bool finished) const {
    return {.plan = plan_,
            .steps = steps_,
            .loss = loss_,
            .validation_loss = validation_loss_.value_or(0),
            .seconds = 0,
            .finished = finished};
  }

  void ShowBegin() {
    const auto budget =
        plan_.steps ? *plan_.steps : static_cast<std::uint64_t>(std::max(1LL, std::llround(60 * *plan_.minutes)));
    progress_.Begin("train", budget, plan_.steps ? "steps" : "seconds");
    already_ = plan_.steps ? steps_ : static_cast<std::uint64_t>(seconds_);
  }

  void Show(double tokens_per_second) {
    std::string detail = fmt::format("loss {:.3f}", loss_);
    if (validation_loss_) detail += fmt::format("  validation {:.3f}", *validation_loss_);
    progress_.Detail(fmt::format("{}  {:.0f} tokens/s", detail, tokens_per_second));
    progress_.Advance(plan_.steps ? steps_ : static_cast<std::uint64_t>(seconds_), already_);
  }

  const TrainOptions& options_;
  const TrainingPlan& plan_;
  const TrainingText& text_;
  ProgressListener& progress_;
  std::unique_ptr<Trainer> trainer_;
  std::uint64_t steps_ = 0;
  double seconds_ = 0;
  double loss_ = 0;
  std::optional<double> validation_loss_;
  std::uint64_t already_ = 0;
  Clock::time_point last_save_;
  double save_seconds_ = 0;
};

// The summary of a training that this very plan has finished already. Throws Error when another model is at `out`.
std::optional<TrainSummary> FinishedBefore(const TrainOptions& options) {
  const std::string out = options.out.string();
  if (!std::filesystem::exists(options.out)) return std::nullopt;
  const std::optional<TrainingRecord> record = ReadTrainingRecord(options.out);
  if (record && !record->finished) return std::nullopt;
  if (!record || record->plan != options.plan) {
    Fail("{}: is another model: remove it first, or give another `out`", out);
  }
  RemoveTrainingFile(options.out);
  TrainSummary summary;
  summary.finished = summary.was_there = true;
  for (const auto& [name, tensor] : SafetensorsFile(options.out).Read().tensors)
    summary.parameters += tensor.values.size();
  summary.steps = record->steps;
  summary.loss = record->loss;
  summary.validation_loss = record->validation_loss;
  return summary;
}

}  // namespace

double LearningRate(double peak, double done) {
  if (done < kWarmUp) return peak * done / kWarmUp;
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, (done - kWarmUp) / (1 - kWarmUp))));
}

StateDict InitialParameters(const ModelShape& shape, std::uint64_t seed) {
  const double wide = 0.4 / std::sqrt(static_cast<double>(shape.embed));
  StateDict state;
  std::uint64_t counter = MixedBits(seed + 1);
  const auto uniform = [&counter] {  // in (0, 1]
    return static_cast<double>((MixedBits(counter++) >> 11) + 1) * 0x1p-53;
  };
  for (const auto& [name, sizes] : ExpectedTensors(shape)) {
    Tensor& tensor = state.tensors[name];
    tensor.shape = sizes;
    std::size_t numbers = 1;
    for (const std::int64_t size : sizes) numbers *= static_cast<std::size_t>(size);
    const bool norm = name.starts_with("ln_f.") || name.find(".ln") != std::string::npos;
    const bool bias = name.ends_with(".bias");
    tensor.values.assign(numbers, norm && !bias ? 1.0F : 0.0F);
    if (norm || bias) continue;
    const bool to_residual = name.ends_with("sa.proj.weight") || name.ends_with("ffwd.net.2.weight");
    const double deviation = to_residual ? wide / std::sqrt(2.0 * static_cast<double>(shape.blocks)) : wide;
    for (float& value : tensor.values) {
      // Box and Muller, "A note on the generation of random normal deviates".
      const double radius = std::sqrt(-2 * std::log(uniform()));
      value = static_cast<float>(deviation * radius * std::cos(2 * std::numbers::pi * uniform()));
    }
  }
  return state;
}

TrainSummary Train(const TrainOptions& options, ProgressListener& progress) {
  return Train(
      options,
      [](const TrainerOptions& trainer, const TrainingState& state) {
        return LoadTorchBackend().NewTrainer(trainer, state);
      },
      progress);
}

TrainSummary Train(const TrainOptions& given, const TrainerMaker& make, ProgressListener& progress) {
  CheckPlan(given.plan);
  CheckOut(given.out, given.corpus);
  const FileLock lock(TrainingLockPath(given.out), given.out.string() + ": another training of this file is at work",
                      FileLock::AtEnd::kRemove);
  const Corpus corpus = ReadCorpus(given.corpus);
  const TrainingText text = MakeText(ReadInput(given.corpus), InputName(given.corpus), given.plan.context);
  TrainOptions options = given;
  options.plan.corpus_sha256 = corpus.sha256;
  options.plan.vocabulary_size = static_cast<std::int64_t>(text.vocabulary.size());
  if (const std::optional<TrainSummary> summary = FinishedBefore(options)) return *summary;
  return TrainingRun(options, text, progress).Go(make);
}

}  // namespace actkin
