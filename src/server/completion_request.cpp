#include "server/completion_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/fill_in_middle.h"
#include "server/model_name.h"
#include "server/request_fields.h"
#include "server/sampling_fields.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

// One prompt: a text, or ids.
struct Source {
  std::string text;
  std::vector<std::int64_t> ids;
  bool by_ids = false;
};

Source ids_of(const RequestFields& fields, const Json& list, const std::string& name) {
  Source out;
  out.by_ids = true;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_number_integer()) fields.wrong_type(fmt::format("{}[{}]", name, i), "a token id", list[i]);
    out.ids.push_back(list[i].get<std::int64_t>());
  }
  return out;
}

// A string, a list of strings, a list of ids, or a list of such lists.
std::vector<Source> read_prompts(RequestFields& fields) {
  const Json& prompt = fields.required("prompt");
  if (prompt.is_string()) return {{prompt.get<std::string>(), {}, false}};
  if (!prompt.is_array()) fields.wrong_type("prompt", "a string, a list of strings or token ids", prompt);
  if (prompt.empty()) throw bad_parameter("prompt: the list is empty", "prompt");
  if (prompt[0].is_number()) return {ids_of(fields, prompt, "prompt")};
  if (prompt.size() > kMostPrompts)
    throw bad_parameter(fmt::format("prompt: {} prompts, at most {} are allowed", prompt.size(), kMostPrompts),
                        "prompt");
  std::vector<Source> out;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const std::string name = fmt::format("prompt[{}]", i);
    if (prompt[i].is_array())
      out.push_back(ids_of(fields, prompt[i], name));
    else if (prompt[i].is_string())
      out.push_back({prompt[i].get<std::string>(), {}, false});
    else
      fields.wrong_type(name, "a string or a list of token ids", prompt[i]);
  }
  return out;
}

ChatPrompt by_ids(const ChatEngine& chat, const Source& source) {
  ChatPrompt prompt;
  const auto size = static_cast<std::int64_t>(chat.tokenizer().vocabulary_size());
  for (const std::int64_t id : source.ids) {
    if (id < 0 || id >= size)
      throw bad_parameter(fmt::format("prompt: {} is no token id; this model has 0 to {}", id, size - 1), "prompt");
    prompt.ids.push_back(static_cast<TokenId>(id));
  }
  prompt.text = chat.tokenizer().decode(prompt.ids);
  return prompt;
}

std::vector<ChatPrompt> make_prompts(const ChatEngine& chat, const std::vector<Source>& sources,
                                     const std::optional<std::string>& suffix, bool special, std::size_t most_tokens) {
  std::vector<ChatPrompt> prompts;
  for (const Source& source : sources) {
    if (suffix) {
      std::optional<ChatPrompt> made = fill_in_middle(chat.tokenizer(), source.text, *suffix);
      if (!made) throw bad_request("suffix: this model has no tokens for filling in the middle", "suffix");
      made->text = source.text;  // what echo says
      prompts.push_back(std::move(*made));
    } else {
      prompts.push_back(source.by_ids ? by_ids(chat, source) : chat.builder().raw(source.text, special, most_tokens));
    }
  }
  return prompts;
}

void read_form(RequestFields& fields, CompletionRequest& out) {
  const auto logprobs = fields.integer("logprobs", 0, 20);
  out.options.logprobs = logprobs.has_value();
  out.options.top_logprobs = static_cast<int>(logprobs.value_or(0));
  if (logprobs) out.answer.chat.sampling.logprobs = out.options.top_logprobs;
  out.options.echo = fields.boolean("echo").value_or(false);
  if (out.options.echo && out.options.logprobs)
    throw bad_parameter("echo: the log-probabilities of a prompt are not computed; ask for one of the two", "echo");
  if (std::optional<RequestFields> stream = fields.object("stream_options"))
    out.options.include_usage = stream->boolean("include_usage").value_or(false);
}

}  // namespace

CompletionRequest parse_completion(std::string_view body, const std::vector<std::string>& served,
                                   std::set<std::string>* names) {
  const Json json = parse_body(body);
  RequestFields fields(json, "");
  fields.record(names);
  CompletionRequest out;
  AnswerRequest& answer = out.answer;
  answer.model = fields.text("model").value_or("");
  const ModelName name = model_name(answer.model, served);
  answer.served = name.rules == ApiRules::own ? answer.model : "default";
  read_sampling(fields, answer);
  read_form(fields, out);
  answer.max_tokens = fields.integer("max_tokens", 1, std::int64_t{1} << 31);
  std::optional<std::string> suffix = fields.text("suffix");
  if (suffix && suffix->empty()) suffix.reset();
  if (name.rules == ApiRules::r1)
    throw bad_request("model: deepseek-reasoner does not complete texts; deepseek-chat does", "model");
  std::vector<Source> sources = read_prompts(fields);
  if (suffix)
    for (const Source& source : sources)
      if (source.by_ids) throw bad_parameter("suffix: needs the prompt as text", "suffix");
  const bool special = fields.boolean("parse_special").value_or(false);
  answer.default_max_tokens = suffix ? 4096 : 16;  // as DeepSeek's and OpenAI's documentation have them
  answer.chat.raw = std::string();                 // no template, no thinking: the prompts are made below
  answer.prompts = [sources = std::move(sources), suffix, special](ChatEngine& chat, std::size_t most_tokens) {
    return make_prompts(chat, sources, suffix, special, most_tokens);
  };
  return out;
}

}  // namespace limpid
