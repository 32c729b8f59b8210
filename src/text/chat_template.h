// ChatTemplate: messages in, the text of a prompt out, by the model's own Jinja template (jinja.h).
//
// What the template gives is Hugging Face's rendering (Thinking::as_template: nothing else happens). For use, four
// rules are kept whatever revision of a template came with the model:
// - one BOS: a BOS text at the start is there once, and Prompt::has_bos says whether it is, so that the tokenizer adds
// it or not;
// - thinking on: the prompt ends with exactly one "<think>\n"; off: with a thinking that is closed and empty;
// - the thinking of earlier turns is left out (where a template renders it while tools are being called, it gets it as
// reasoning_content);
// - messages in OpenAI's form are given the form that the template takes: arguments of calls as an object or as text,
// content as text where
//   it does not take parts, content none or empty beside calls. What it takes is tried out when it is loaded.
//
// Immutable: safe from any thread.
#pragma once

#include <ctime>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja.h"
#include "text/tool_calls.h"

namespace limpid {

enum class Thinking {
  as_template,  // exactly what the template gives; messages are not touched
  automatic,    // the template's own way; DeepSeek's models always think
  on,
  off,
};

struct RenderOptions {
  bool add_generation_prompt = true;
  Thinking thinking = Thinking::automatic;
  std::optional<std::time_t> now;  // for templates that tell the date; the machine's clock if not given
  // Called on what is about to be rendered, messages and then tools: where texts of control tokens are made harmless
  // (chat/content_guard.h).
  std::function<nlohmann::ordered_json(const nlohmann::ordered_json&)> protect;
  jinja::Limits limits;
};

struct Prompt {
  std::string text;
  bool has_bos = false;        // it begins with the text of BOS: encode it with special = true and without adding BOS
  bool thinking_open = false;  // it ends inside <think>: the stream starts in thinking (stream_parser.h)
};

class ChatTemplate {
 public:
  // Texts of the special tokens by Hugging Face's names: "bos_token", "eos_token", ...; those that a model lacks are
  // absent.
  using Tokens = std::map<std::string, std::string>;

  // Throws Error(input | unsupported) naming the line; `name` stands for the template in messages.
  ChatTemplate(std::string source, Tokens tokens, std::string name = "chat template");

  // For a model without a template, by the turn marks in its vocabulary (has_token: whether this text is one token):
  // DeepSeek's, ChatML, Llama 3's or Kimi's; without any of them plain text, "User: ..." and "Assistant:".
  static ChatTemplate standard(const std::function<bool(std::string_view)>& has_token, Tokens tokens);

  // messages: an array of {role, content, ...} (OpenAI's form); tools: an array, or null for none; variables: an object
  // of the template's further variables, or null. Throws Error(input) naming the message or the template's line;
  // resources for a limit.
  Prompt render(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& tools,
                const RenderOptions& options = {}) const;
  Prompt render(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& tools,
                const nlohmann::ordered_json& variables, const RenderOptions& options) const;

  bool thinks() const { return thinks_; }               // the template knows <think>
  bool has_thinking_switch() const { return switch_; }  // it reads enable_thinking or thinking
  // It tells the model which tools there are. Some templates only render calls and their results (DeepSeek's).
  bool takes_tools() const { return tools_; }
  ToolFormat tool_format() const { return tool_format_of(source_); }
  const std::string& source() const { return source_; }

 private:
  // What the template takes, found by rendering small conversations.
  struct Form {
    bool object_arguments = true, text_arguments = false;  // of calls
    bool null_content = true;                              // beside calls: null; otherwise ""
    bool parts = false;                                    // content as a list of {type, text}
  };
  Form probe() const;
  bool shows(const nlohmann::ordered_json& messages, std::string_view text, const nlohmann::ordered_json& tools) const;
  nlohmann::ordered_json prepared(const nlohmann::ordered_json& messages, bool continues) const;
  void prepare_content(nlohmann::ordered_json& message, const std::string& where) const;
  void prepare_calls(nlohmann::ordered_json& message, const std::string& where) const;
  void leave_thinking_out(nlohmann::ordered_json& message) const;
  void set_thinking(std::string& text, Thinking thinking) const;

  std::string source_;
  Tokens tokens_;
  jinja::Template template_;
  bool thinks_ = false, switch_ = false, always_thinks_ = false, tools_ = false;
  Form form_;
};

// The template in a tokenizer_config.json ("chat_template": a text, or a list of {name, template} of which "default"
// counts), or nothing.
std::optional<std::string> chat_template_source(const nlohmann::json& tokenizer_config);

}  // namespace limpid
