// limpid render: the prompt that the model's own chat template makes of messages.
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/commands.h"
#include "app/ids.h"
#include "app/input.h"
#include "app/model_text.h"
#include "app/output.h"
#include "app/printable.h"
#include "chat/prompt.h"
#include "formats/json.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

struct RenderArguments {
  std::string model;
  bool ids = false;
};

struct Conversation {
  Json messages, tools, variables;
  bool generation_prompt = true;
};

// {messages, tools?, add_generation_prompt?, template_variables?}, or the messages alone.
Conversation read_conversation() {
  const std::string text = read_all_input();
  Json input = parse_ordered_json(text, "standard input");  // the order of keys is what templates write out
  Conversation out;
  if (input.is_array()) {
    out.messages = std::move(input);
    return out;
  }
  if (!input.is_object() || !input.contains("messages"))
    fail(ErrorKind::input, "standard input: expected an object with 'messages', or a list of messages, found {}",
         input.type_name());
  for (auto& [key, value] : input.items()) {
    if (key == "messages") {
      if (!value.is_array()) fail(ErrorKind::input, "messages: expected a list, found {}", value.type_name());
      out.messages = std::move(value);
    } else if (key == "tools") {
      if (!value.is_array() && !value.is_null())
        fail(ErrorKind::input, "tools: expected a list, found {}", value.type_name());
      out.tools = std::move(value);
    } else if (key == "add_generation_prompt") {
      if (!value.is_boolean())
        fail(ErrorKind::input, "add_generation_prompt: expected true or false, found {}", value.type_name());
      out.generation_prompt = value.get<bool>();
    } else if (key == "template_variables") {
      if (!value.is_object() && !value.is_null())
        fail(ErrorKind::input, "template_variables: expected an object, found {}", value.type_name());
      out.variables = std::move(value);
    } else {
      fail(ErrorKind::input,
           "standard input: unknown field '{}' (messages, tools, add_generation_prompt, template_variables)", key);
    }
  }
  return out;
}

int render(const RenderArguments& arguments, Think think) {
  const ModelText text = find_model_text(arguments.model);
  say_if_no_template(text.chat_template);
  const PromptBuilder builder(text.tokenizer, text.chat_template);
  Conversation conversation = read_conversation();
  if (think == Think::automatic && !arguments.ids) {  // the template's text and nothing else, as Hugging Face gives it
    RenderOptions options;
    options.add_generation_prompt = conversation.generation_prompt;
    options.thinking = Thinking::as_template;
    write_out(for_stream(STDOUT_FILENO,
                         builder.chat_template()
                             .render(conversation.messages, conversation.tools, conversation.variables, options)
                             .text));
    return 0;
  }
  PromptRequest request;
  request.messages = std::move(conversation.messages);
  request.tools = std::move(conversation.tools);
  request.template_variables = std::move(conversation.variables);
  request.generation_prompt = conversation.generation_prompt;
  request.thinking = think == Think::on ? Thinking::on : think == Think::off ? Thinking::off : Thinking::automatic;
  const ChatPrompt prompt = builder.build(request);
  if (arguments.ids)
    print("{}\n", format_ids(prompt.ids));
  else
    write_out(for_stream(STDOUT_FILENO, prompt.text));
  return 0;
}

}  // namespace

void add_render(Program& program) {
  auto arguments = std::make_shared<RenderArguments>();
  Command command = program.add("render", "The prompt that the model's chat template makes of messages");
  command.positional("MODEL", arguments->model, "a model, or a tokenizer.json with its template beside it");
  command.flag("--ids", arguments->ids, "the ids that the model reads instead, as a JSON array");
  command.thinking_option();
  command.examples(R"(echo '[{"role": "user", "content": "Hello"}]' | limpid render smollm2-135m)"
                   "\nlimpid render r1-distill-qwen-1.5b --think on < messages.json");
  command.run([arguments](const Context& context) { return render(*arguments, context.options.think); });
}

}  // namespace limpid
