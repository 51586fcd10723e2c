#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>

#include "indexer/train/train.h"
#include "schema/error.h"
#include "schema/text.h"
#include "tools/command/commands.h"
#include "tools/command/stop_signals.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

constexpr double kDefaultMinutes = 1;

struct TrainFlags {
  TrainOptions options;
  std::string corpus;
  std::string out;
  std::uint64_t steps = 0;
  double minutes = kDefaultMinutes;
  std::uint64_t save_every = 0;
  bool json = false;
};

nlohmann::ordered_json Json(const TrainFlags& flags, const TrainSummary& summary) {
  nlohmann::ordered_json object = {{"out", flags.out},
                                   {"finished", summary.finished},
                                   {"parameters", summary.parameters},
                                   {"steps", summary.steps},
                                   {"loss", summary.loss},
                                   {"validation_loss", summary.validation_loss},
                                   {"tokens_per_second", summary.tokens_per_second},
                                   {"seconds", summary.seconds}};
  if (summary.limit_tokens_per_second) object["limit_tokens_per_second"] = *summary.limit_tokens_per_second;
  return object;
}

void Run(const TrainFlags& flags, bool steps_given, bool minutes_given, bool save_every_given) {
  if (steps_given && minutes_given) FailUsage("--steps and --minutes: give one of them");
  TrainOptions options = flags.options;
  options.corpus = flags.corpus;
  options.out = flags.out;
  if (steps_given) {
    options.plan.steps = flags.steps;
  } else {
    options.plan.minutes = flags.minutes;
  }
  if (save_every_given) options.save_every = flags.save_every;
  options.stop = &StopOnSignal();

  TrainSummary summary;
  {
    ProgressBar progress;
    summary = Train(options, progress);
  }
  if (flags.json) PrintJson(Json(flags, summary));
  if (!summary.finished) {
    PrintError(
        fmt::format("actkin: interrupted after step {}: run the same command again, it continues\n", summary.steps));
    throw ExitStatus(128 + SIGINT);
  }
  if (flags.json) return;
  if (summary.was_there) {
    Print(fmt::format("{}: is finished already: {} parameters, {} steps, validation loss {:.3f}\n",
                      Printable(flags.out), Grouped(summary.parameters), Grouped(summary.steps),
                      summary.validation_loss));
    return;
  }
  std::string line = fmt::format(
      "{}: {} parameters, {} steps, loss {:.3f}, validation loss {:.3f}, {} tokens/s, {}\n", Printable(flags.out),
      Grouped(summary.parameters), Grouped(summary.steps), summary.loss, summary.validation_loss,
      Grouped(static_cast<std::uint64_t>(summary.tokens_per_second)), HumanSeconds(summary.seconds));
  if (summary.limit_tokens_per_second) {
    line += fmt::format("the matrix products alone: {} tokens/s; the training reaches {:.0f}% of that\n",
                        Grouped(static_cast<std::uint64_t>(*summary.limit_tokens_per_second)),
                        100 * summary.tokens_per_second / *summary.limit_tokens_per_second);
  }
  Print(line);
  if (StdoutIsTerminal())
    Print(fmt::format("next: actkin build {} --model {} --out NAME.actkin\n", Printable(flags.corpus),
                      Printable(flags.out)));
}

}  // namespace

void AddTrainCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Trains a transformer on a text; killed and run again, it continues");
  auto flags = std::make_shared<TrainFlags>();
  TrainingPlan& plan = flags->options.plan;
  command
      ->add_option("CORPUS", flags->corpus,
                   "The text, UTF-8; - is standard input; its last tenth measures the validation loss")
      ->required();
  command->add_option("--out", flags->out, "The model file, NAME.safetensors")->required();
  const auto size = [command](const char* name, std::int64_t& value, std::int64_t largest, const char* what) {
    command->add_option(name, value, what)->check(CLI::Range(std::int64_t{1}, largest))->capture_default_str();
  };
  size("--blocks", plan.blocks, 1024, "Transformer blocks");
  size("--heads", plan.heads, 1024, "Attention heads a block");
  size("--embed", plan.embed, 16384, "Dimensions of the embedding, a multiple of --heads");
  size("--context", plan.context, 65536, "Tokens that the model sees at once; build needs its --length of them");
  CLI::Option* minutes = command->add_option("--minutes", flags->minutes, "Train for so long")->capture_default_str();
  CLI::Option* steps = command->add_option("--steps", flags->steps, "Train for so many steps, instead of --minutes");
  size("--batch", plan.batch, 65536, "Sequences a step");
  command->add_option("--lr", plan.learning_rate, "Peak of the learning rate")->capture_default_str();
  command
      ->add_option("--dropout", plan.dropout,
                   "Share of activations dropped in training; 0.2 where the text is seen many times")
      ->capture_default_str();
  command->add_option("--seed", plan.seed, "Of the first weights, the batches and the dropout")->capture_default_str();
  command->add_flag("--resume", flags->options.must_resume,
                    "Fail where there is no unfinished training to continue; without it, one is begun");
  CLI::Option* save_every = command
                                ->add_option("--save-every", flags->save_every,
                                             "Steps between checkpoints, which are also written as time passes")
                                ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
  AddThreadsOption(*command, plan.threads);
  command->add_flag("--limit", flags->options.measure_limit,
                    "Measure also how fast the matrix products alone would be");
  command->add_flag("--json", flags->json, "Print the summary as JSON");
  command->footer(
      "Example, with a text that every Debian has; it takes some seconds:\n"
      "  actkin train /usr/share/common-licenses/GPL-3 --out gpl.safetensors --minutes 0.2\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --model gpl.safetensors --out gpl.actkin\n"
      "TrainFlags for a model of 6 blocks and 10.7 million parameters, hours on two cores:\n"
      "  --blocks 6 --heads 6 --embed 384 --batch 64 --lr 3e-4 --dropout 0.2 --minutes 240");
  command->callback([flags, steps, minutes, save_every] {
    Run(*flags, steps->count() > 0, minutes->count() > 0, save_every->count() > 0);
  });
}

}  // namespace actkin
