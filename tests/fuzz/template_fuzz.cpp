// Any bytes as a chat template, and behind a NUL as the JSON of its variables: rendered within the limits, or refused
// with an Error.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = input.find('\0');
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  if (cut != std::string_view::npos && input.size() - cut < 5000) {  // the parser of the caller limits depth
    variables = nlohmann::ordered_json::parse(input.substr(cut + 1), nullptr, false);
    if (!variables.is_object()) variables = nlohmann::ordered_json::object();
  }
  limpid::RenderOptions options;
  options.now = 0;
  options.limits.steps = 200'000;
  options.limits.memory_bytes = 64u << 20;
  options.limits.output_bytes = 4u << 20;
  try {
    const limpid::jinja::Template made(input.substr(0, cut));
    (void)made.render(variables, 0, options.limits);
  } catch (const limpid::Error&) {
  }
  if (!variables.contains("messages")) return 0;
  for (const limpid::Thinking thinking : {limpid::Thinking::on, limpid::Thinking::off}) {
    try {
      const limpid::ChatTemplate chat(std::string(input.substr(0, cut)), {{"bos_token", "<s>"}});
      options.thinking = thinking;
      const limpid::Prompt prompt = chat.render(variables["messages"], nullptr, options);
      if (chat.thinks() && thinking == limpid::Thinking::on && !prompt.text.ends_with("<think>\n")) __builtin_trap();
    } catch (const limpid::Error&) {
    }
  }
  return 0;
}
