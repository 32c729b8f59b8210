#include "train/tokenizer_files.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/gguf_writer.h"
#include "text/unicode.h"

namespace limpid {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kFirstByte = 3;

// The template says what a turn is and no more; Jinja as transformers and llama.cpp read it.
constexpr const char* kTemplate =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1].lstrip('\\n') + '<｜end▁of▁sentence｜>' }}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}"
    "{% if enable_thinking is defined and enable_thinking %}{{ '<think>\\n' }}"
    "{% elif enable_thinking is defined %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{% endif %}";

// The characters that GPT-2's alphabet shows bytes as: printable bytes as themselves, the others from U+0100 on.
std::array<std::string, 256> byte_alphabet() {
  std::array<std::string, 256> alphabet;
  char32_t next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool shown = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    append_utf8(alphabet[b], shown ? static_cast<char32_t>(b) : next++);
  }
  return alphabet;
}

// By id: tokens as files write them.
std::vector<std::string> written_tokens(const TrainedTokenizer& tokenizer) {
  const std::array<std::string, 256> alphabet = byte_alphabet();
  std::vector<std::string> out;
  for (std::size_t id = 0; id < tokenizer.tokens.size(); ++id) {
    const std::string& bytes = tokenizer.tokens[id];
    if (id < kFirstByte || id >= tokenizer.first_mark()) {
      out.push_back(bytes);
      continue;
    }
    std::string text;
    for (const char c : bytes) text += alphabet[static_cast<unsigned char>(c)];
    out.push_back(std::move(text));
  }
  return out;
}

OrderedJson split(const char* expression) {
  return {{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}};
}

OrderedJson byte_level() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
}

// Every text begins with BOS (id 0).
OrderedJson begin_with(const std::string& bos) {
  const OrderedJson token = {{"SpecialToken", {{"id", bos}, {"type_id", 0}}}};
  const auto sequence = [](const char* id, int type) {
    return OrderedJson{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  OrderedJson special = OrderedJson::object();
  special[bos] = {{"id", bos}, {"ids", OrderedJson::array({0})}, {"tokens", OrderedJson::array({bos})}};
  return {{"type", "TemplateProcessing"},
          {"single", OrderedJson::array({token, sequence("A", 0)})},
          {"pair", OrderedJson::array({token, sequence("A", 0), sequence("B", 1)})},
          {"special_tokens", special}};
}

OrderedJson added_token(std::size_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

}  // namespace

std::string tokenizer_json(const TrainedTokenizer& tokenizer) {
  const std::vector<std::string> written = written_tokens(tokenizer);
  OrderedJson added = OrderedJson::array(), vocabulary = OrderedJson::object(), merges = OrderedJson::array();
  for (std::size_t id = 0; id < written.size(); ++id) {
    if (id < kFirstByte || id >= tokenizer.first_mark()) {
      added.push_back(added_token(id, written[id], id < kFirstByte));
    }
    // The control tokens are in the vocabulary too, as in V3's file: Hugging Face numbers those that are not behind it.
    if (id < tokenizer.first_mark()) vocabulary[written[id]] = id;
  }
  for (const auto& [left, right] : tokenizer.merges) {
    merges.push_back(written[static_cast<std::size_t>(left)] + " " + written[static_cast<std::size_t>(right)]);
  }
  const OrderedJson root = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {split(R"(\p{N})"), split("[一-龥぀-ゟ゠-ヿ]+"),
          split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
                "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"),
          byte_level()}}}},
      {"post_processor", begin_with(written[0])},
      {"decoder", byte_level()},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"vocab", vocabulary},
        {"merges", merges}}},
  };
  return root.dump(1) + "\n";
}

std::string tokenizer_config_json(const TrainedTokenizer& tokenizer) {
  const OrderedJson root = {
      {"tokenizer_class", "PreTrainedTokenizerFast"},
      {"bos_token", tokenizer.tokens[0]},
      {"eos_token", tokenizer.tokens[1]},
      {"pad_token", tokenizer.tokens[2]},
      {"unk_token", nullptr},
      {"add_bos_token", true},
      {"add_eos_token", false},
      {"clean_up_tokenization_spaces", false},
      {"chat_template", kTemplate},
  };
  return root.dump(1) + "\n";
}

void write_tokenizer(const TrainedTokenizer& tokenizer, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) fail(ErrorKind::system, "create {}: {}", directory, error.message());
  const auto write = [&](const char* name, const std::string& text) {
    AtomicFile file((std::filesystem::path(directory) / name).string());
    file.write(text);
    file.commit();
  };
  write("tokenizer.json", tokenizer_json(tokenizer));
  write("tokenizer_config.json", tokenizer_config_json(tokenizer));
}

void set_tokenizer_keys(GgufWriter& out, const TrainedTokenizer& tokenizer) {
  constexpr std::int32_t kNormal = 1, kControl = 3, kUserDefined = 4;
  const std::vector<std::string> written = written_tokens(tokenizer);
  std::vector<std::int32_t> types;
  for (std::size_t id = 0; id < written.size(); ++id) {
    // The thinking marks are shown to people, as in published files; the other marks end turns or begin texts.
    const bool thinking = id == tokenizer.first_mark() || id == tokenizer.first_mark() + 1;
    const bool control = id < kFirstByte || id >= tokenizer.first_mark();
    types.push_back(thinking ? kUserDefined : control ? kControl : kNormal);
  }
  std::vector<std::string> merges;
  for (const auto& [left, right] : tokenizer.merges) {
    merges.push_back(written[static_cast<std::size_t>(left)] + " " + written[static_cast<std::size_t>(right)]);
  }
  out.set("tokenizer.ggml.model", "gpt2");
  out.set("tokenizer.ggml.pre", "deepseek-v3");
  out.set("tokenizer.ggml.tokens", std::span<const std::string>(written));
  out.set("tokenizer.ggml.token_type", std::span<const std::int32_t>(types));
  out.set("tokenizer.ggml.merges", std::span<const std::string>(merges));
  out.set("tokenizer.ggml.bos_token_id", std::uint32_t{0});
  out.set("tokenizer.ggml.eos_token_id", std::uint32_t{1});
  out.set("tokenizer.ggml.padding_token_id", std::uint32_t{2});
  out.set("tokenizer.ggml.add_bos_token", true);
  out.set("tokenizer.ggml.add_eos_token", false);
  out.set("tokenizer.chat_template", kTemplate);
}

}  // namespace limpid
