// What the tests of chat/ need: a tokenizer of single bytes with control tokens, and a model that says what it is told
// to.
#pragma once

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "models/model.h"
#include "text/tokenizer.h"
#include "text/tokenizer_spec.h"

namespace limpid {

// Ids 0 to 255 are the bytes, then the control tokens in the order given.
inline Tokenizer byte_tokenizer(const std::vector<std::string>& control, const std::string& eos,
                                const std::string& bos = {}, bool add_bos = false) {
  TokenizerSpec spec;
  spec.name = "bytes";
  spec.byte_level = false;
  spec.byte_fallback = true;
  for (int byte = 0; byte < 256; ++byte) spec.tokens.push_back(fmt::format("<0x{:02X}>", byte));
  spec.byte_token.assign(256 + control.size(), false);
  std::fill_n(spec.byte_token.begin(), 256, true);
  spec.ordinary.assign(256 + control.size(), false);
  for (const std::string& text : control) {
    const auto id = static_cast<TokenId>(spec.tokens.size());
    spec.tokens.push_back(text);
    spec.added.push_back({text, id, true});
    if (text == eos) spec.eos = id;
    if (text == bos) spec.bos = id;
  }
  spec.add_bos = add_bos;
  return Tokenizer(std::move(spec));
}

// Says `script` after a prompt of `prompt` tokens, then `then` for ever; a pure function of the position.
class ScriptModel : public Model {
 public:
  ScriptModel() {
    info_.architecture = "script";
    info_.vocabulary = 400;
    info_.layers = 1;
    info_.context_length = 4096;
  }
  std::vector<std::int32_t> script;
  std::int32_t then = '.';
  std::size_t prompt = 0;

  const ModelInfo& info() const override { return info_; }
  CacheLayout cache_layout(CacheType type) const override {
    CacheLayout layout;
    layout.type = type;
    layout.kv_heads = layout.key_dim = layout.value_dim = 1;
    return layout;
  }
  std::size_t arena_bytes(int, int outputs) const override { return static_cast<std::size_t>(outputs) * 400 * 4 + 64; }
  std::size_t scratch_bytes(int) const override { return 64; }
  Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer>) const override {
    Tensor logits = ex.alloc(DType::f32, {static_cast<std::int64_t>(batch.outputs.size()), info_.vocabulary});
    if (ex.thread == 0) {
      for (std::size_t o = 0; o < batch.outputs.size(); ++o) {
        float* row = logits.row(static_cast<std::int64_t>(o));
        std::fill_n(row, info_.vocabulary, 0.0F);
        const std::size_t next =
            static_cast<std::size_t>(batch.positions[static_cast<std::size_t>(batch.outputs[o])]) + 1 - prompt;
        row[next < script.size() ? script[next] : then] = 60;
      }
    }
    ex.sync();
    return logits;
  }

 private:
  ModelInfo info_;
};

inline std::string read_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail(ErrorKind::not_found, "{}", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace limpid
