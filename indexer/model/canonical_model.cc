#include "indexer/model/canonical_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// `name` with a number for the letter that stands alone between dots.
std::string WithNumber(std::string name, char letter, std::int64_t number) {
  const std::string pattern = fmt::format(".{}.", letter);
  const std::size_t at = name.find(pattern);
  if (at != std::string::npos) name.replace(at, pattern.size(), fmt::format(".{}.", number));
  return name;
}

bool OfBlocks(const TensorRule& rule) { return rule.sources.front().find(".N.") != std::string_view::npos; }

// Copies elements of `size` bytes. from: rows x columns, or its transpose.
void CopyRows(const std::byte* from, std::int64_t rows, std::int64_t columns, bool transposed, std::size_t size,
              std::byte* to, const auto& source_row) {
  const auto width = static_cast<std::size_t>(columns);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto lies_at = static_cast<std::size_t>(source_row(row));
    std::byte* out = to + static_cast<std::size_t>(row) * width * size;
    if (!transposed) {
      std::memcpy(out, from + lies_at * width * size, width * size);
      continue;
    }
    for (std::size_t column = 0; column < width; ++column) {
      std::memcpy(out + column * size, from + (column * static_cast<std::size_t>(rows) + lies_at) * size, size);
    }
  }
}

}  // namespace

CanonicalModel::CanonicalModel(SourceTensors sources, const ModelConfig& config, const std::string& file)
    : sources_(std::move(sources)), description_(config.description), expected_(TensorsOf(description_)) {
  const Family& family = *config.family;
  prefix_ = family.prefix;
  const auto has_prefix = [&](const auto& entry) { return entry.first.starts_with(family.prefix); };
  if (std::ranges::none_of(sources_.entries(), has_prefix)) prefix_.clear();
  for (const TensorRule& rule : family.tensors) {
    if (rule.canonical == "position_embedding" && !description_.has_position_table()) continue;
    if (rule.canonical == "unembedding" && IsTied(config, file)) continue;
    AddRule(rule, config, file);
  }
  RequireAllUsed(family);
  TensorShapes shapes;
  for (const auto& [name, type] : types_) shapes[name] = type.shape;
  RequireTensorsOf(description_, shapes, file);
}

std::string CanonicalModel::FullName(const TensorRule& rule, const std::string& name) const {
  return (rule.outside ? "" : prefix_) + name;
}

const SourceTensors::Entry* CanonicalModel::Find(const std::string& name) const {
  const auto found = sources_.entries().find(name);
  return found == sources_.entries().end() ? nullptr : &found->second;
}

// By presence, then by the configuration.
bool CanonicalModel::IsTied(const ModelConfig& config, const std::string& file) const {
  const auto rule_of = [&](std::string_view canonical) -> const TensorRule& {
    return *std::ranges::find(config.family->tensors, canonical, &TensorRule::canonical);
  };
  const TensorRule& head_rule = rule_of("unembedding");
  const std::string name = std::string(head_rule.sources.front()) + ".weight";
  const SourceTensors::Entry* head = Find(name);
  if (head == nullptr) {
    if (!config.tied) {
      Fail(
          "{}: tensor {} is missing: the configuration says that it is not the table of tokens (tie_word_embeddings "
          "is false); was only the model without its head saved?",
          file, name);
    }
    return true;
  }
  const TensorRule& table_rule = rule_of("token_embedding");
  const SourceTensors::Entry* table = Find(FullName(table_rule, std::string(table_rule.sources.front()) + ".weight"));
  const bool same = table != nullptr && head->type == table->type && head->shape == table->shape &&
                    std::ranges::equal(head->bytes, table->bytes);
  if (config.tied && !same && table != nullptr) {
    Fail("{}: tensor {} is not the table of tokens, and the configuration says that it is (tie_word_embeddings)",
         head->file, name);
  }
  return same && config.tied;
}

void CanonicalModel::AddRule(const TensorRule& rule, const ModelConfig& config, const std::string& file) {
  const std::int64_t blocks = OfBlocks(rule) ? description_.shape.blocks : 1;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::string canonical = OfBlocks(rule) ? BlockTensor(rule.canonical, block) : std::string(rule.canonical);
    std::vector<std::string> names;
    for (const std::string_view source : rule.sources) {
      const std::string of_block = WithNumber(std::string(source), 'N', block);
      const bool of_heads = of_block.find(".H.") != std::string::npos;
      for (std::int64_t head = 0; head < (of_heads ? description_.shape.heads : 1); ++head) {
        names.push_back(FullName(rule, WithNumber(of_block, 'H', head)));
      }
    }
    for (const char* which : {".weight", ".bias"}) {
      const bool is_bias = which[1] == 'b';
      if (is_bias) {
        const bool there = rule.bias == Bias::kAlways || (rule.bias == Bias::kAttention && config.attention_bias) ||
                           (rule.bias == Bias::kMlp && config.mlp_bias) ||
                           (rule.bias == Bias::kByPresence && Find(names.front() + which) != nullptr);
        if (!there) continue;
      }
      std::vector<std::string> full;
      for (const std::string& name : names) full.push_back(name + which);
      for (const std::string& name : full) {
        if (Find(name) == nullptr) FailMissing(name, file);
      }
      AddTensor(canonical + which, full, rule);
    }
  }
}

void CanonicalModel::AddTensor(const std::string& canonical, const std::vector<std::string>& sources,
                               const TensorRule& rule) {
  const auto required = expected_.required.find(canonical);
  const std::vector<std::int64_t>& shape =
      required != expected_.required.end() ? required->second : expected_.optional.at(canonical);
  const bool matrix = shape.size() == 2;
  const std::int64_t columns = matrix ? shape[1] : 1;
  std::vector<Part>& parts = parts_[canonical];
  std::int64_t rows = 0;
  WeightType type{Precision::kFloat32, shape};
  for (const std::string& name : sources) {
    const SourceTensors::Entry* source = Find(name);
    const std::optional<Precision> precision = PrecisionOf(source->type);
    if (!precision) {
      Fail(ErrorCode::kUnsupported, "{}: tensor {} is of type {}: expected F32, F16 or BF16", source->file,
           QuoteIfEscaped(name), source->type);
    }
    const bool transposed = matrix && rule.orientation == Orientation::kInputsByOutputs;
    if (source->shape.size() != shape.size() || (matrix && source->shape[transposed ? 0 : 1] != columns)) {
      FailShape(*source, name, canonical, shape);
    }
    const std::int64_t own_rows = source->shape[transposed ? 1 : 0];
    if (own_rows < 0 || own_rows > shape[0]) FailShape(*source, name, canonical, shape);
    parts.push_back({source, own_rows, columns,
                     transposed ? Orientation::kInputsByOutputs : Orientation::kOutputsByInputs, rule.order});
    // Parts of several precisions meet in the one that holds them all.
    if (parts.size() == 1) {
      type.precision = *precision;
    } else if (*precision != type.precision) {
      type.precision = Precision::kFloat32;
    }
    rows += own_rows;
  }
  if (rows != shape[0]) FailShape(*parts.back().source, sources.back(), canonical, shape);
  types_[canonical] = std::move(type);
}

void CanonicalModel::FailShape(const SourceTensors::Entry& source, const std::string& name,
                               const std::string& canonical, const std::vector<std::int64_t>& shape) {
  Fail("{}: tensor {} has shape {}, which does not make {} of {}: is it another model's configuration?", source.file,
       QuoteIfEscaped(name), ShapeText(source.shape), canonical, ShapeText(shape));
}

void CanonicalModel::FailMissing(const std::string& name, const std::string& file) const {
  std::string reason;
  for (const auto& [other, entry] : sources_.entries()) {
    if (other.find(".attn.W_Q") != std::string::npos) {
      Fail(ErrorCode::kUnsupported,
           "{}: {} is of a TransformerLens state dict, whose norms and biases may be folded into other weights: give "
           "the "
           "checkpoint that it was loaded from",
           entry.file, other);
    }
    if (other.find(".weight_scale") != std::string::npos || other.find(".qweight") != std::string::npos ||
        other.find(".weight.absmax") != std::string::npos) {
      reason = ": the weights are quantized: give the checkpoint before that";
    }
    if (other.find("lora_A") != std::string::npos) {
      reason = ": this is an adapter: merge it into its model and save that";
    }
  }
  if (reason.empty() && !sources_.entries().empty()) {
    reason = fmt::format(" (it has {} and {} others)", QuoteIfEscaped(sources_.entries().begin()->first),
                         sources_.entries().size() - 1);
  }
  Fail("{}: tensor {} is missing{}", file, name, reason);
}

void CanonicalModel::RequireAllUsed(const Family& family) const {
  std::set<const SourceTensors::Entry*> used;
  for (const auto& [name, parts] : parts_) {
    for (const Part& part : parts) used.insert(part.source);
  }
  for (const auto& [name, entry] : sources_.entries()) {
    const auto ends = [&name = name](std::string_view end) { return name.ends_with(end); };
    if (used.contains(&entry) || std::ranges::any_of(family.ignored, ends)) continue;
    const auto& head = std::ranges::find(family.tensors, "unembedding", &TensorRule::canonical)->sources.front();
    if (name == std::string(head) + ".weight") continue;  // the table of tokens once more
    Fail("{}: tensor {} is not part of a {} model of {} blocks as it is configured", entry.file, QuoteIfEscaped(name),
         family.name, description_.shape.blocks);
  }
}

std::int64_t CanonicalModel::RowByHead(std::int64_t row) const {
  const std::int64_t size = description_.shape.head_size;
  const std::int64_t heads = description_.shape.heads;
  const std::int64_t kind = row / (heads * size);
  const std::int64_t head = row % (heads * size) / size;
  return (head * 3 + kind) * size + row % size;
}

void CanonicalModel::Read(const std::string& name, std::span<std::byte> out) const {
  const WeightType& type = types_.at(name);
  const std::size_t size = PrecisionBytes(type.precision);
  std::byte* to = out.data();
  std::vector<float> converted;
  for (const Part& part : parts_.at(name)) {
    const std::byte* from = part.source->bytes.data();
    const auto count = static_cast<std::size_t>(part.rows * part.columns);
    if (PrecisionOf(part.source->type) != type.precision) {
      converted.resize(count);
      ConvertToFloat(part.source->type, from, count, converted.data(), name);
      from = reinterpret_cast<const std::byte*>(converted.data());
    }
    const bool transposed = part.orientation == Orientation::kInputsByOutputs;
    if (part.order == FusedOrder::kByHead) {
      CopyRows(from, part.rows, part.columns, transposed, size, to, [&](std::int64_t row) { return RowByHead(row); });
    } else {
      CopyRows(from, part.rows, part.columns, transposed, size, to, [](std::int64_t row) { return row; });
    }
    to += count * size;
  }
}

void CanonicalModel::RequireFinite() const {
  std::set<const SourceTensors::Entry*> used;
  for (const auto& [name, parts] : parts_) {
    for (const Part& part : parts) used.insert(part.source);
  }
  std::vector<float> values;
  for (const auto& [name, entry] : sources_.entries()) {
    if (!used.contains(&entry)) continue;
    values.resize(entry.bytes.size() / PrecisionBytes(*PrecisionOf(entry.type)));
    ConvertToFloat(entry.type, entry.bytes.data(), values.size(), values.data(), name);
    if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
      Fail("{}: tensor {} holds NaN or infinity", entry.file, QuoteIfEscaped(name));
    }
  }
}

}  // namespace actkin
