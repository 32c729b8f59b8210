// limpid tokenize, limpid detokenize: text to ids and back, as the model reads and writes them.
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/ids.h"
#include "app/input.h"
#include "app/model_text.h"
#include "app/output.h"
#include "app/printable.h"
#include "text/tokenizer.h"

namespace limpid {

namespace {

struct TokenizeArguments {
  std::string model;
  bool special = false, bos = false, skip_special = false;
};

constexpr const char* kModelHelp = "a model, or a tokenizer.json";

int tokenize(const TokenizeArguments& arguments) {
  const Tokenizer tokenizer = find_model_text(arguments.model).tokenizer;
  EncodeOptions options;
  options.special = arguments.special;
  options.bos = arguments.bos;
  if (arguments.bos && !tokenizer.bos())
    fail(ErrorKind::input, "{}: --bos, but this tokenizer has no token for the beginning of a text", arguments.model);
  print("{}\n", format_ids(tokenizer.encode(read_all_input(), options)));
  return 0;
}

int detokenize(const TokenizeArguments& arguments) {
  const Tokenizer tokenizer = find_model_text(arguments.model).tokenizer;
  const std::string text = tokenizer.decode(parse_ids(read_all_input(), "standard input"), arguments.skip_special);
  write_out(for_stream(STDOUT_FILENO, text));
  return 0;
}

}  // namespace

void add_tokenize(Program& program) {
  auto arguments = std::make_shared<TokenizeArguments>();
  Command command = program.add("tokenize", "Text on standard input to a JSON array of token ids");
  command.positional("MODEL", arguments->model, kModelHelp);
  command.flag("--special", arguments->special, "special tokens in the text count as such (default: they stay text)");
  command.flag("--bos", arguments->bos, "put the token for the beginning of a text first");
  command.examples(
      "echo -n 'How many tokens is this?' | limpid tokenize smollm2-135m\n"
      "limpid tokenize tokenizer.json --special < prompt.txt | jq length");
  command.run([arguments](const Context&) { return tokenize(*arguments); });
}

void add_detokenize(Program& program) {
  auto arguments = std::make_shared<TokenizeArguments>();
  Command command = program.add("detokenize", "Token ids on standard input to text");
  command.positional("MODEL", arguments->model, kModelHelp);
  command.flag("--skip-special", arguments->skip_special,
               "leave special tokens out (default: they show as their text)");
  command.examples(
      "echo '[504, 28]' | limpid detokenize smollm2-135m\n"
      "limpid tokenize smollm2-135m < a.txt | limpid detokenize smollm2-135m | cmp - a.txt");
  command.run([arguments](const Context&) { return detokenize(*arguments); });
}

}  // namespace limpid
