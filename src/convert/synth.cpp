#include "convert/synth.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "formats/gguf_writer.h"

namespace limpid {

namespace {

constexpr int kLeastVocabulary = 258;  // the bytes, a merge, the end

struct Shape {
  std::string_view name, architecture;
  int width, layers, heads, kv_heads, head_dim, hidden, vocabulary, context;
  float eps, rope_base;
  bool qkv_bias, tied;
  // mixture of experts and latent attention; experts = 0: none
  int q_rank, kv_rank, nope, rope, value, dense, experts, chosen, expert_width, shared, groups, groups_kept;
  float routed_scale;
};

// The published config.json of each model.
constexpr Shape kShapes[] = {
    {"qwen2-1.5b",
     "qwen2",
     1536,
     28,
     12,
     2,
     128,
     8960,
     151936,
     32768,
     1e-6F,
     1e6F,
     true,
     true,
     0,
     0,
     0,
     0,
     0,
     0,
     0,
     0,
     0,
     0,
     1,
     1,
     1},
    {"llama-8b", "llama", 4096, 32, 32, 8, 128, 14336, 128256, 131072, 1e-5F, 5e5F, false, false,
     0,          0,       0,    0,  0,  0, 0,   0,     0,      0,      1,     1,    1},
    {"moonlight", "deepseek2", 2048, 27, 16,  1, 0,  11264, 163840, 8192, 1e-5F, 5e4F, false, false,
     0,           512,         128,  64, 128, 1, 64, 6,     1408,   2,    1,     1,    2.446F},
    {"r1", "deepseek2", 7168, 61, 128, 1, 0,   18432, 129280, 163840, 1e-6F, 1e4F, false, false,
     1536, 512,         128,  64, 128, 3, 256, 8,     2048,   1,      8,     4,    2.5F},
};

// What llama.cpp's quantiser takes for rows that are no multiple of 256.
DType fitting(DType type, std::int64_t columns) {
  if (columns % info(type).block == 0) return type;
  switch (type) {
    case DType::q4_k:
      return DType::q5_0;
    case DType::q5_k:
      return DType::q5_1;
    case DType::q6_k:
      return DType::q8_0;
    default:
      return DType::iq4_nl;
  }
}

class Tensors {
 public:
  Tensors(const Shape& shape, int layers, DType type)
      : s_(shape), main_(shape.experts > 0 ? DType::q8_0 : type), experts_(type) {
    matrix("token_embd.weight", s_.vocabulary, s_.width);
    for (int layer = 0; layer < layers; ++layer) {
      const std::string prefix = fmt::format("blk.{}.", layer);
      gain(prefix + "attn_norm.weight", s_.width);
      s_.kv_rank > 0 ? latent(prefix) : grouped(prefix);
      gain(prefix + "ffn_norm.weight", s_.width);
      s_.experts > 0 && layer >= s_.dense ? moe(prefix) : mlp(prefix);
    }
    gain("output_norm.weight", s_.width);
    if (!s_.tied) matrix("output.weight", s_.vocabulary, s_.width);
  }
  std::vector<SynthTensor> entries;

 private:
  void matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
    entries.push_back({name, fitting(main_, columns), {rows, columns}});
  }
  void stack(const std::string& name, std::int64_t rows, std::int64_t columns) {
    entries.push_back({name, fitting(experts_, columns), {s_.experts, rows, columns}});
  }
  void gain(const std::string& name, std::int64_t n) { entries.push_back({name, DType::f32, {n}, true}); }
  void bias(const std::string& name, std::int64_t n) { entries.push_back({name, DType::f32, {n}}); }

  void grouped(const std::string& p) {
    const std::int64_t q = std::int64_t{s_.heads} * s_.head_dim, kv = std::int64_t{s_.kv_heads} * s_.head_dim;
    matrix(p + "attn_q.weight", q, s_.width);
    matrix(p + "attn_k.weight", kv, s_.width);
    matrix(p + "attn_v.weight", kv, s_.width);
    if (s_.qkv_bias) {
      bias(p + "attn_q.bias", q);
      bias(p + "attn_k.bias", kv);
      bias(p + "attn_v.bias", kv);
    }
    matrix(p + "attn_output.weight", s_.width, q);
  }
  void latent(const std::string& p) {
    const std::int64_t q = std::int64_t{s_.heads} * (s_.nope + s_.rope);
    if (s_.q_rank > 0) {
      matrix(p + "attn_q_a.weight", s_.q_rank, s_.width);
      gain(p + "attn_q_a_norm.weight", s_.q_rank);
      matrix(p + "attn_q_b.weight", q, s_.q_rank);
    } else {
      matrix(p + "attn_q.weight", q, s_.width);
    }
    matrix(p + "attn_kv_a_mqa.weight", s_.kv_rank + s_.rope, s_.width);
    gain(p + "attn_kv_a_norm.weight", s_.kv_rank);
    entries.push_back({p + "attn_k_b.weight", main_, {s_.heads, s_.kv_rank, s_.nope}});
    entries.push_back({p + "attn_v_b.weight", main_, {s_.heads, s_.value, s_.kv_rank}});
    matrix(p + "attn_output.weight", s_.width, std::int64_t{s_.heads} * s_.value);
  }
  void mlp(const std::string& p) {
    matrix(p + "ffn_gate.weight", s_.hidden, s_.width);
    matrix(p + "ffn_up.weight", s_.hidden, s_.width);
    matrix(p + "ffn_down.weight", s_.width, s_.hidden);
  }
  void moe(const std::string& p) {
    const std::int64_t shared = std::int64_t{s_.shared} * s_.expert_width;
    entries.push_back({p + "ffn_gate_inp.weight", DType::f32, {s_.experts, s_.width}});
    bias(p + "exp_probs_b.bias", s_.experts);
    stack(p + "ffn_gate_exps.weight", s_.expert_width, s_.width);
    stack(p + "ffn_up_exps.weight", s_.expert_width, s_.width);
    stack(p + "ffn_down_exps.weight", s_.width, s_.expert_width);
    matrix(p + "ffn_gate_shexp.weight", shared, s_.width);
    matrix(p + "ffn_up_shexp.weight", shared, s_.width);
    matrix(p + "ffn_down_shexp.weight", s_.width, shared);
  }

  const Shape& s_;
  DType main_, experts_;
};

void write_metadata(GgufWriter& out, const Shape& s, int layers) {
  const std::string a(s.architecture);
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", a, name); };
  out.set("general.architecture", a);
  out.set("general.name", fmt::format("synthetic {}", s.name));
  const auto set = [&](std::string_view name, int value) { out.set(key(name), static_cast<std::uint32_t>(value)); };
  set("block_count", layers);
  set("context_length", s.context);
  set("embedding_length", s.width);
  set("feed_forward_length", s.hidden);
  set("vocab_size", s.vocabulary);
  set("attention.head_count", s.heads);
  set("attention.head_count_kv", s.kv_heads);
  out.set(key("attention.layer_norm_rms_epsilon"), s.eps);
  out.set(key("rope.freq_base"), s.rope_base);
  set("rope.dimension_count", s.kv_rank > 0 ? s.rope : s.head_dim);
  if (s.kv_rank == 0) return;
  set("attention.q_lora_rank", s.q_rank);  // 0 too: llama.cpp does without the key only at 26 or 27 layers
  set("attention.kv_lora_rank", s.kv_rank);
  set("attention.key_length", s.kv_rank + s.rope);
  set("attention.value_length", s.kv_rank);
  set("attention.key_length_mla", s.nope + s.rope);
  set("attention.value_length_mla", s.value);
  set("leading_dense_block_count", std::min(s.dense, layers));
  set("expert_count", s.experts);
  set("expert_used_count", s.chosen);
  set("expert_shared_count", s.shared);
  set("expert_feed_forward_length", s.expert_width);
  set("expert_gating_func", 2);
  if (s.groups > 1) {
    set("expert_group_count", s.groups);
    set("expert_group_used_count", s.groups_kept);
  }
  out.set(key("expert_weights_scale"), s.routed_scale);
  out.set(key("expert_weights_norm"), true);
}

// The 256 bytes as GPT-2 writes them, then numbered tokens: enough for a loader that insists on a vocabulary.
void write_tokenizer(GgufWriter& out, int vocabulary) {
  std::vector<std::string> tokens;
  int other = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const int code = itself ? byte : other++;
    tokens.push_back(code < 128
                         ? std::string(1, static_cast<char>(code))
                         : std::string{static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))});
  }
  tokens.emplace_back("ab");  // of the one merge below
  for (int i = 257; i < vocabulary; ++i) tokens.push_back(fmt::format("<t{}>", i));
  std::vector<std::int32_t> kinds(static_cast<std::size_t>(vocabulary), 1);
  kinds.back() = 3;  // the end, a control token
  out.set("tokenizer.ggml.model", "gpt2");
  out.set("tokenizer.ggml.pre", "gpt-2");
  out.set("tokenizer.ggml.tokens", std::span<const std::string>(tokens));
  out.set("tokenizer.ggml.token_type", std::span<const std::int32_t>(kinds));
  const std::vector<std::string> merges = {"a b"};
  out.set("tokenizer.ggml.merges", std::span<const std::string>(merges));
  out.set("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(vocabulary - 1));
  out.set("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(vocabulary - 1));
  out.set("tokenizer.ggml.add_bos_token", false);
}

void write_data(GgufWriter& out, const SynthTensor& entry, std::uint64_t seed, std::uint64_t stream,
                const std::function<void(std::uint64_t)>& wrote) {
  std::int64_t values = 1;
  for (std::int64_t dim : entry.shape) values *= dim;
  constexpr std::int64_t kPiece = 1 << 22;  // values at a time
  for (std::int64_t done = 0; done < values; done += kPiece) {
    const std::int64_t n = std::min(kPiece, values - done);
    std::vector<std::byte> bytes;
    if (entry.ones) {
      const std::vector<float> ones(static_cast<std::size_t>(n), 1.0F);
      bytes.assign(std::as_bytes(std::span(ones)).begin(), std::as_bytes(std::span(ones)).end());
    } else {
      bytes = random_weights(entry.type, n, seed, stream << 24 | static_cast<std::uint64_t>(done / kPiece));
    }
    out.write(bytes);
    wrote(bytes.size());
  }
}

bool is_weight_type(DType type) { return ggml_from_dtype(type) && type < DType::i8; }

// The shape with the layers and tokens that were asked for.
Shape shape_of(const SynthOptions& options) {
  const auto* known = std::ranges::find(kShapes, options.shape, &Shape::name);
  if (known == std::end(kShapes))
    fail(ErrorKind::input, "synth: unknown shape '{}', expected one of: {}", options.shape,
         fmt::join(synth_shapes(), ", "));
  Shape shape = *known;
  if (options.layers != 0) shape.layers = options.layers;
  if (shape.layers < 1 || shape.layers > 1000)
    fail(ErrorKind::input, "synth: --layers is {}, expected 1 to 1000", shape.layers);
  if (options.vocabulary != 0) shape.vocabulary = options.vocabulary;
  if (shape.vocabulary < kLeastVocabulary || shape.vocabulary > 1 << 20)
    fail(ErrorKind::input, "synth: a vocabulary of {}, expected {} to {}", shape.vocabulary, kLeastVocabulary, 1 << 20);
  if (!is_weight_type(options.type))
    fail(ErrorKind::input, "synth: {} is no type for weights in GGUF, expected one of: {}", info(options.type).name,
         fmt::join(synth_types(), ", "));
  return shape;
}

}  // namespace

std::vector<std::string> synth_shapes() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

std::vector<std::string> synth_types() {
  std::vector<std::string> names;
  for (int i = 0; i < kDTypes; ++i)
    if (is_weight_type(static_cast<DType>(i))) names.emplace_back(info(static_cast<DType>(i)).name);
  return names;
}

std::vector<SynthTensor> synth_tensors(const SynthOptions& options) {
  const Shape shape = shape_of(options);
  Tensors tensors(shape, shape.layers, options.type);
  for (const SynthTensor& tensor : tensors.entries)
    if (tensor.shape.back() % info(tensor.type).block != 0)
      fail(ErrorKind::input, "synth: {} has rows of {} values, no multiple of {}'s block of {}", tensor.name,
           tensor.shape.back(), info(tensor.type).name, info(tensor.type).block);
  return std::move(tensors.entries);
}

void synthesise(const SynthOptions& options, const std::string& path,
                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const std::vector<SynthTensor> tensors = synth_tensors(options);
  const Shape shape = shape_of(options);
  GgufWriter out(path);
  write_metadata(out, shape, shape.layers);
  write_tokenizer(out, shape.vocabulary);
  for (const SynthTensor& tensor : tensors) out.add_tensor(tensor.name, tensor.type, tensor.shape);
  const std::uint64_t total = out.data_bytes();
  std::uint64_t done = 0;
  if (progress) progress(0, total);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    write_data(out, tensors[i], options.seed, i + 1, [&](std::uint64_t bytes) {
      done += bytes;
      if (progress) progress(done, total);
    });
  out.finish();
}

}  // namespace limpid
