#include "indexer/model/families.h"

#include <algorithm>
#include <array>

namespace actkin {
namespace {

// Llama's, which Mistral and Qwen share but for biases and norms of queries and keys.
std::vector<TensorRule> LlamaTensors(Bias qkv_bias, Bias proj_bias, Bias mlp_bias, bool query_key_norm) {
  std::vector<TensorRule> rules{
      {.canonical = "token_embedding", .sources = {"embed_tokens"}},
      {.canonical = "attention_norm", .sources = {"layers.N.input_layernorm"}},
      {.canonical = "qkv",
       .sources = {"layers.N.self_attn.q_proj", "layers.N.self_attn.k_proj", "layers.N.self_attn.v_proj"},
       .bias = qkv_bias},
      {.canonical = "proj", .sources = {"layers.N.self_attn.o_proj"}, .bias = proj_bias},
      {.canonical = "ffwd_norm", .sources = {"layers.N.post_attention_layernorm"}},
      {.canonical = "ffwd_in", .sources = {"layers.N.mlp.gate_proj", "layers.N.mlp.up_proj"}, .bias = mlp_bias},
      {.canonical = "ffwd_out", .sources = {"layers.N.mlp.down_proj"}, .bias = mlp_bias},
      {.canonical = "final_norm", .sources = {"norm"}},
      {.canonical = "unembedding", .sources = {"lm_head"}, .outside = true}};
  if (query_key_norm) {
    rules.push_back({.canonical = "query_norm", .sources = {"layers.N.self_attn.q_norm"}});
    rules.push_back({.canonical = "key_norm", .sources = {"layers.N.self_attn.k_norm"}});
  }
  return rules;
}

constexpr ConfigNames kLlamaNames{.context = "max_position_embeddings",
                                  .embed = "hidden_size",
                                  .blocks = "num_hidden_layers",
                                  .heads = "num_attention_heads",
                                  .hidden = "intermediate_size",
                                  .activation = "hidden_act",
                                  .norm_epsilon = "rms_norm_eps"};

std::vector<Family> MakeFamilies() {
  std::vector<Family> families;
  families.push_back({.name = "gpt2",
                      .prefix = "transformer.",
                      .tensors = {{.canonical = "token_embedding", .sources = {"wte"}},
                                  {.canonical = "position_embedding", .sources = {"wpe"}},
                                  {.canonical = "attention_norm", .sources = {"h.N.ln_1"}, .bias = Bias::kAlways},
                                  {.canonical = "qkv",
                                   .sources = {"h.N.attn.c_attn"},
                                   .bias = Bias::kAlways,
                                   .orientation = Orientation::kInputsByOutputs},
                                  {.canonical = "proj",
                                   .sources = {"h.N.attn.c_proj"},
                                   .bias = Bias::kAlways,
                                   .orientation = Orientation::kInputsByOutputs},
                                  {.canonical = "ffwd_norm", .sources = {"h.N.ln_2"}, .bias = Bias::kAlways},
                                  {.canonical = "ffwd_in",
                                   .sources = {"h.N.mlp.c_fc"},
                                   .bias = Bias::kAlways,
                                   .orientation = Orientation::kInputsByOutputs},
                                  {.canonical = "ffwd_out",
                                   .sources = {"h.N.mlp.c_proj"},
                                   .bias = Bias::kAlways,
                                   .orientation = Orientation::kInputsByOutputs},
                                  {.canonical = "final_norm", .sources = {"ln_f"}, .bias = Bias::kAlways},
                                  {.canonical = "unembedding", .sources = {"lm_head"}, .outside = true}},
                      .ignored = {".attn.bias", ".attn.masked_bias"},
                      .names = {.context = "n_positions",
                                .embed = "n_embd",
                                .blocks = "n_layer",
                                .heads = "n_head",
                                .hidden = "n_inner",
                                .activation = "activation_function",
                                .norm_epsilon = "layer_norm_epsilon"},
                      .defaults = {.activation = "gelu_new", .tied = true},
                      .fixed = {{"scale_attn_weights", "true"},
                                {"scale_attn_by_inverse_layer_idx", "false"},
                                {"add_cross_attention", "false"}}});
  families.push_back(
      {.name = "gpt_neox",
       .prefix = "gpt_neox.",
       .tensors = {{.canonical = "token_embedding", .sources = {"embed_in"}},
                   {.canonical = "attention_norm", .sources = {"layers.N.input_layernorm"}, .bias = Bias::kAlways},
                   {.canonical = "qkv",
                    .sources = {"layers.N.attention.query_key_value"},
                    .bias = Bias::kAttention,
                    .order = FusedOrder::kByHead},
                   {.canonical = "proj", .sources = {"layers.N.attention.dense"}, .bias = Bias::kAttention},
                   {.canonical = "ffwd_norm", .sources = {"layers.N.post_attention_layernorm"}, .bias = Bias::kAlways},
                   {.canonical = "ffwd_in", .sources = {"layers.N.mlp.dense_h_to_4h"}, .bias = Bias::kAlways},
                   {.canonical = "ffwd_out", .sources = {"layers.N.mlp.dense_4h_to_h"}, .bias = Bias::kAlways},
                   {.canonical = "final_norm", .sources = {"final_layer_norm"}, .bias = Bias::kAlways},
                   {.canonical = "unembedding", .sources = {"embed_out"}, .outside = true}},
       .ignored = {".attention.bias", ".attention.masked_bias", ".attention.rotary_emb.inv_freq",
                   "rotary_emb.inv_freq"},
       .rotary = true,
       .names = {.context = "max_position_embeddings",
                 .embed = "hidden_size",
                 .blocks = "num_hidden_layers",
                 .heads = "num_attention_heads",
                 .hidden = "intermediate_size",
                 .activation = "hidden_act",
                 .norm_epsilon = "layer_norm_eps"},
       .defaults = {.activation = "gelu", .rotary_share = 0.25, .parallel = true, .attention_bias = true}});
  families.push_back({.name = "llama",
                      .prefix = "model.",
                      .tensors = LlamaTensors(Bias::kAttention, Bias::kAttention, Bias::kMlp, false),
                      .ignored = {"rotary_emb.inv_freq"},
                      .norm = Norm::kRms,
                      .gated = true,
                      .rotary = true,
                      .grouped = true,
                      .explicit_head_size = true,
                      .names = kLlamaNames,
                      .defaults = {.activation = "silu", .norm_epsilon = 1e-6},
                      .fixed = {{"rope_interleaved", "false"}}});
  families.push_back(
      {.name = "mistral",
       .prefix = "model.",
       .tensors = LlamaTensors(Bias::kNever, Bias::kNever, Bias::kNever, false),
       .ignored = {"rotary_emb.inv_freq"},
       .norm = Norm::kRms,
       .gated = true,
       .rotary = true,
       .grouped = true,
       .explicit_head_size = true,
       .sliding = Sliding::kWhereGiven,
       .names = kLlamaNames,
       .defaults = {.activation = "silu", .norm_epsilon = 1e-6, .key_value_heads = 8, .sliding_window = 4096}});
  families.push_back(
      {.name = "qwen2",
       .prefix = "model.",
       .tensors = LlamaTensors(Bias::kAlways, Bias::kNever, Bias::kNever, false),
       .ignored = {"rotary_emb.inv_freq"},
       .norm = Norm::kRms,
       .gated = true,
       .rotary = true,
       .grouped = true,
       .explicit_head_size = true,
       .sliding = Sliding::kByLayerTypes,
       .names = kLlamaNames,
       .defaults = {.activation = "silu", .norm_epsilon = 1e-6, .key_value_heads = 32, .sliding_window = 4096},
       .fixed = {{"use_mrope", "false"}}});
  families.push_back({.name = "qwen3",
                      .prefix = "model.",
                      .tensors = LlamaTensors(Bias::kAttention, Bias::kAttention, Bias::kNever, true),
                      .ignored = {"rotary_emb.inv_freq"},
                      .norm = Norm::kRms,
                      .gated = true,
                      .rotary = true,
                      .grouped = true,
                      .explicit_head_size = true,
                      .query_key_norm = true,
                      .sliding = Sliding::kByLayerTypes,
                      .names = kLlamaNames,
                      .defaults = {.activation = "silu",
                                   .norm_epsilon = 1e-6,
                                   .head_size = 128,
                                   .key_value_heads = 32,
                                   .sliding_window = 4096}});
  return families;
}

const std::vector<Family>& Families() {
  static const std::vector<Family> families = MakeFamilies();
  return families;
}

}  // namespace

const Family* FindFamily(std::string_view model_type) {
  const auto found = std::ranges::find(Families(), model_type, &Family::name);
  return found == Families().end() ? nullptr : &*found;
}

std::vector<std::string_view> FamilyNames() {
  std::vector<std::string_view> names;
  for (const Family& family : Families()) names.push_back(family.name);
  return names;
}

const Family& StudyFamily() {
  static const Family family{
      .name = "study",
      .prefix = "",
      .tensors = {{.canonical = "token_embedding", .sources = {"token_embedding_table"}},
                  {.canonical = "position_embedding", .sources = {"position_embedding_table"}},
                  {.canonical = "attention_norm", .sources = {"blocks.N.ln1"}, .bias = Bias::kAlways},
                  {.canonical = "qkv",
                   .sources = {"blocks.N.sa.heads.H.query", "blocks.N.sa.heads.H.key", "blocks.N.sa.heads.H.value"}},
                  {.canonical = "proj", .sources = {"blocks.N.sa.proj"}, .bias = Bias::kAlways},
                  {.canonical = "ffwd_norm", .sources = {"blocks.N.ln2"}, .bias = Bias::kAlways},
                  {.canonical = "ffwd_in", .sources = {"blocks.N.ffwd.net.0"}, .bias = Bias::kAlways},
                  {.canonical = "ffwd_out", .sources = {"blocks.N.ffwd.net.2"}, .bias = Bias::kAlways},
                  {.canonical = "final_norm", .sources = {"ln_f"}, .bias = Bias::kAlways},
                  {.canonical = "unembedding", .sources = {"lm_head"}, .bias = Bias::kAlways}},
      .ignored = {".tril"}};
  return family;
}

const Family& NanoGptFamily() {
  static const Family family{
      .name = "nanogpt",
      .prefix = "transformer.",
      .tensors = {{.canonical = "token_embedding", .sources = {"wte"}},
                  {.canonical = "position_embedding", .sources = {"wpe"}},
                  {.canonical = "attention_norm", .sources = {"h.N.ln_1"}, .bias = Bias::kByPresence},
                  {.canonical = "qkv", .sources = {"h.N.attn.c_attn"}, .bias = Bias::kByPresence},
                  {.canonical = "proj", .sources = {"h.N.attn.c_proj"}, .bias = Bias::kByPresence},
                  {.canonical = "ffwd_norm", .sources = {"h.N.ln_2"}, .bias = Bias::kByPresence},
                  {.canonical = "ffwd_in", .sources = {"h.N.mlp.c_fc"}, .bias = Bias::kByPresence},
                  {.canonical = "ffwd_out", .sources = {"h.N.mlp.c_proj"}, .bias = Bias::kByPresence},
                  {.canonical = "final_norm", .sources = {"ln_f"}, .bias = Bias::kByPresence},
                  {.canonical = "unembedding", .sources = {"lm_head"}, .outside = true}},
      .ignored = {".attn.bias"},
      .defaults = {.tied = true}};
  return family;
}

bool IsHarmlessField(std::string_view key) {
  // Names of things, training, generation, and how a library computes the same.
  static constexpr std::array kHarmless = std::to_array<std::string_view>({
      "_attn_implementation",
      "_commit_hash",
      "_name_or_path",
      "attention_dropout",
      "attn_implementation",
      "attn_pdrop",
      "architectures",
      "auto_map",
      "bad_words_ids",
      "begin_suppress_tokens",
      "bos_token_id",
      "chunk_size_feed_forward",
      "classifier_dropout",
      "cross_attention_hidden_size",
      "decoder_start_token_id",
      "diversity_penalty",
      "do_sample",
      "dtype",
      "early_stopping",
      "embd_pdrop",
      "encoder_no_repeat_ngram_size",
      "eos_token_id",
      "exponential_decay_length_penalty",
      "finetuning_task",
      "forced_bos_token_id",
      "forced_eos_token_id",
      "gradient_checkpointing",
      "hidden_dropout",
      "id2label",
      "initializer_range",
      "is_decoder",
      "is_llama_config",
      "keys_to_ignore_at_inference",
      "label2id",
      "length_penalty",
      "max_length",
      "max_window_layers",
      "min_length",
      "model_type",
      "n_ctx",
      "name_or_path",
      "no_repeat_ngram_size",
      "num_beam_groups",
      "num_beams",
      "num_return_sequences",
      "output_attentions",
      "output_hidden_states",
      "output_scores",
      "pad_token_id",
      "prefix",
      "pretraining_tp",
      "problem_type",
      "pruned_heads",
      "remove_invalid_values",
      "reorder_and_upcast_attn",
      "repetition_penalty",
      "resid_pdrop",
      "return_dict",
      "return_dict_in_generate",
      "sep_token_id",
      "summary_activation",
      "summary_first_dropout",
      "summary_proj_to_labels",
      "summary_type",
      "summary_use_proj",
      "suppress_tokens",
      "task_specific_params",
      "temperature",
      "tf_legacy_loss",
      "tokenizer_class",
      "top_k",
      "top_p",
      "torch_dtype",
      "torchscript",
      "transformers.js_config",
      "transformers_version",
      "typical_p",
      "unsloth_fixed",
      "unsloth_version",
      "use_bfloat16",
      "use_cache",
  });
  return std::ranges::find(kHarmless, key) != kHarmless.end();
}

}  // namespace actkin
