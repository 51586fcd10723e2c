#include "indexer/build/build_inputs.h"

#include <algorithm>
#include <set>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/formats/model_tensors.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

int CheckStringLength(const BuildOptions& options, const ExistingDirectory& existing) {
  const int length =
      options.string_length.value_or(existing.corpus ? existing.corpus->string_length : kDefaultStringLength);
  if (length < 1 || length > 1000) FailUsage("`length` {}: expected a number of tokens from 1 to 1000", length);
  return length;
}

std::optional<Checkpoint> ReadModel(const BuildOptions& options, const IndexDirectory& directory,
                                    const ExistingDirectory& existing, ProgressListener& progress) {
  if (!options.model) {
    if (!existing.model) return std::nullopt;
    return ReadCheckpoint(directory.Resolve(existing.model->file));
  }
  Checkpoint checkpoint = ReadCheckpoint(*options.model);
  if (!checkpoint.wrapper.empty()) {
    progress.Note(fmt::format("{}: its tensors are named {}NAME: read without {}", options.model->string(),
                              QuoteIfEscaped(checkpoint.wrapper), QuoteIfEscaped(checkpoint.wrapper)));
  }
  return checkpoint;
}

// A directory goes on with what it was made with, unless another is asked for, which is refused later.
std::optional<TokenId> ChooseBeginning(const BuildOptions& options, const ExistingDirectory& existing,
                                       const BuildInputs& inputs) {
  if (existing.model && !options.beginning && !options.bos_token && !options.bos_token_id) {
    return existing.model->bos_token_id;
  }
  if (options.bos_token_id) return options.bos_token_id;
  BeginningSources sources = inputs.checkpoint->beginning;
  sources.token = options.bos_token;
  const std::optional<TokenId> beginning =
      BeginningOfSequence(options.beginning.value_or(Beginning::kAuto), *inputs.tokenizer.tokenizer, sources);
  if (beginning && *beginning >= static_cast<std::uint64_t>(inputs.shape().vocabulary_size)) {
    Fail("token {} is to stand before every string, and the model has no row of embeddings for it", *beginning);
  }
  return beginning;
}

std::string WhyLongest(const BuildInputs& inputs) {
  const ModelDescription& model = inputs.description();
  return model.longest_sequence() < model.shape.context
             ? fmt::format("its sliding_window is {} tokens", model.sliding_window)
             : fmt::format("its context has {} positions", model.shape.context);
}

int CheckPosition(const BuildInputs& inputs, int t_i) {
  const int position = t_i < 0 ? inputs.string_length + t_i : t_i;
  if (position < 0 || position >= inputs.string_length) {
    FailUsage("`t_i` {}: strings have {} tokens, so t_i goes from 0 to {}", t_i, inputs.string_length,
              inputs.string_length - 1);
  }
  const std::int64_t longest = inputs.longest_string();
  if (position >= longest) {
    FailUsage("`t_i` {} of strings of {} tokens: the model takes {} ({}{}): give `length` {}, or `t_i` from 0 to {}",
              t_i, inputs.string_length, longest, WhyLongest(inputs),
              inputs.beginning ? ", one of them for the token that begins" : "", longest, longest - 1);
  }
  return position;
}

PositionPlan CheckWindows(const BuildInputs& inputs, const PositionOptions& options) {
  const std::int64_t longest = inputs.longest_string();
  const std::int64_t window = options.window.value_or(std::min(kDefaultWindow, longest));
  if (window < 1) FailUsage("`window` {}: expected a number of tokens from 1 to {}", window, longest);
  if (window > longest) {
    FailUsage("`window` {}: the model takes {} tokens ({}{})", window, longest, WhyLongest(inputs),
              inputs.beginning ? ", one of them for the token that begins" : "");
  }
  const std::int64_t stride = options.stride.value_or(std::max<std::int64_t>(1, window / 2));
  if (stride < 1 || stride > window) {
    FailUsage("`stride` {}: expected a number of tokens from 1 to the window's {}", stride, window);
  }
  const PositionChoice& choice = options.choice;
  if (choice.every && choice.sample) FailUsage("`every` and `sample`: expected one of them");
  if (choice.every && *choice.every == 0) FailUsage("`every` 0: expected a number from 1");
  if (choice.sample && !(*choice.sample > 0 && *choice.sample <= 1)) {
    FailUsage("`sample` {}: expected a share above 0 and at most 1", *choice.sample);
  }
  return {static_cast<std::uint64_t>(window), static_cast<std::uint64_t>(stride), choice};
}

std::vector<int> GivenTIs(const BuildOptions& options, const ExistingDirectory& existing) {
  if (options.t_is) return *options.t_is;
  const bool only_positions = !existing.sites.empty() && std::ranges::all_of(existing.sites, [](const Site& site) {
    return site.over_positions();
  });
  if (options.positions || (options.repair && only_positions)) return {};
  return {-1};
}

int CheckBlock(const BuildInputs& inputs, int block) {
  const std::int64_t blocks = inputs.shape().blocks;
  const std::int64_t number = block < 0 ? blocks + block : block;
  if (number < 0 || number >= blocks) FailUsage("`blocks` {}: the model has blocks 0-{}", block, blocks - 1);
  return static_cast<int>(number);
}

}  // namespace

std::string BuildInputs::Fingerprint() const {
  // Where tokens are characters, the model's copy holds them.
  return fmt::format("1 {} {} {} {} {}", corpus.sha256, model_sha256, string_length,
                     beginning ? std::to_string(*beginning) : "none",
                     tokenizer.json.empty() ? "characters" : Sha256(tokenizer.json));
}

BuildInputs ReadBuildInputs(const BuildOptions& options, const IndexDirectory& directory,
                            const ExistingDirectory& existing, ProgressListener& progress) {
  BuildInputs inputs;
  inputs.string_length = CheckStringLength(options, existing);
  inputs.corpus = ReadCorpus(options.corpus);
  inputs.checkpoint = ReadModel(options, directory, existing, progress);
  TokenizerRequest request{options.tokenizer, options.vocabulary_from, std::nullopt};
  if (inputs.checkpoint) {
    request.model =
        TokenizedModel{options.model ? options.model->string() : IndexDirectory::Model(),
                       static_cast<std::uint64_t>(inputs.shape().vocabulary_size), inputs.checkpoint->vocabulary};
    if (!request.tokenizer && !request.vocabulary_from) request.tokenizer = inputs.checkpoint->tokenizer;
  }
  const std::string input = options.corpus.Name();
  inputs.tokenizer = ChooseTokenizer(request, inputs.corpus, input, directory, existing.tokenizer);
  inputs.tokens = Tokenize(inputs.corpus, *inputs.tokenizer.tokenizer, inputs.string_length, input);
  if (!inputs.tokens.same_text) {
    progress.Note(
        fmt::format("{}: the tokenizer's normalizer changes it: strings show what their tokens stand for", input));
  }
  if (inputs.checkpoint) {
    inputs.beginning = ChooseBeginning(options, existing, inputs);
    if (inputs.tokenizer.characters) inputs.model_metadata = VocabularyMetadata(*inputs.tokenizer.characters);
    Sha256Stream sha256;
    SerializeModel(inputs.model(), inputs.model_metadata, [&](std::span<const std::byte> bytes) {
      sha256.Add(bytes);
      inputs.model_bytes += bytes.size();
    });
    inputs.model_sha256 = sha256.Finish();
  }
  RequireSameInputs(inputs, options, directory, existing);
  return inputs;
}

void RequireSameInputs(const BuildInputs& inputs, const BuildOptions& options, const IndexDirectory& directory,
                       const ExistingDirectory& existing) {
  const std::string out = directory.path().string();
  if (!existing.corpus) return;
  if (existing.corpus->sha256 != inputs.corpus.sha256) {
    Fail("{}: made from another corpus ({}, sha256 {}...): give `out` a new name for {}", out,
         Quote(existing.corpus->name), existing.corpus->sha256.substr(0, 12), options.corpus.Name());
  }
  if (existing.corpus->string_length != inputs.string_length) {
    Fail("{}: made with `length` {}: give `out` a new name for `length` {}", out, existing.corpus->string_length,
         inputs.string_length);
  }
  if (existing.model && existing.model->sha256 != inputs.model_sha256) {
    if (!options.model) {
      Fail(
          "{}: damaged: its SHA-256 is not the catalog's: name the checkpoint that the directory was made with by "
          "`model`, and the copy is made again",
          directory.Resolve(existing.model->file).string());
    }
    Fail("{}: made with another checkpoint: give `out` a new name for {}", out, options.model->string());
  }
  if (existing.model && existing.model->bos_token_id != inputs.beginning) {
    const auto describe = [](const std::optional<TokenId>& token) {
      return token ? fmt::format("token {} before every string", *token) : std::string("no token before strings");
    };
    Fail("{}: made with {}: give `out` a new name for {} (`bos`)", out, describe(existing.model->bos_token_id),
         describe(inputs.beginning));
  }
  RequireSameTokenizer(inputs.tokenizer, directory, *existing.tokenizer, existing.tokens);
}

SitePlan PlanSites(const BuildOptions& options, const BuildInputs& inputs, const ExistingDirectory& existing) {
  SitePlan plan;
  if (!inputs.checkpoint) {
    if (options.positions) FailUsage("`positions`: needs a model: name it by `model`");
    return plan;
  }
  std::set<int> t_is;
  std::set<int> blocks;
  if (options.sites.empty()) {
    for (const int t_i : GivenTIs(options, existing)) t_is.insert(CheckPosition(inputs, t_i));
  }
  if (options.blocks) {
    for (const int block : *options.blocks) blocks.insert(CheckBlock(inputs, block));
  } else {
    for (int block = 0; block < inputs.shape().blocks; ++block) blocks.insert(block);
  }
  if (options.positions && options.element == Element::kNone) {
    FailUsage(
        ErrorCode::kUnsupported,
        "`rows` none: rows over positions are kept, as float32, float16 or int8: to make one again the model would see "
        "its whole window");
  }
  if (options.positions) plan.seen = CheckWindows(inputs, *options.positions);
  for (const Stream stream : options.streams) {
    if (options.positions) {
      if (stream == Stream::kEmbedding) plan.positions.push_back({stream, 0, kOverPositions});
      for (const int block : blocks) {
        if (stream != Stream::kEmbedding) plan.positions.push_back({stream, block, kOverPositions});
      }
    }
    if (t_is.empty()) continue;
    if (stream == Stream::kEmbedding) {
      // All of them together are smaller than one site of the others.
      const int positions = static_cast<int>(std::min<std::int64_t>(inputs.string_length, inputs.longest_string()));
      for (int t_i = 0; t_i < positions; ++t_i) plan.embedding.push_back({stream, 0, t_i});
      continue;
    }
    for (const int block : blocks) {
      for (const int t_i : t_is) plan.captured.push_back({stream, block, t_i});
    }
  }
  for (const Site& site : options.sites) {
    plan.captured.push_back({site.stream, CheckBlock(inputs, site.block), CheckPosition(inputs, site.t_i)});
  }
  return plan;
}

}  // namespace actkin
