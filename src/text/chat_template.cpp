#include "text/chat_template.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view think = "<think>", end_think = "</think>", white = " \t\r\n";

bool has(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }

std::string_view right_trimmed(std::string_view text) { return text.substr(0, text.find_last_not_of(white) + 1); }
std::string_view left_trimmed(std::string_view text, std::string_view set = white) {
  return text.substr(std::min(text.find_first_not_of(set), text.size()));
}

bool is_text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string();
}

Json call_conversation(Json content, Json arguments) {
  const Json call = {{"id", "probe_id"},
                     {"type", "function"},
                     {"function", {{"name", "probe_name"}, {"arguments", std::move(arguments)}}}};
  return Json::array({{{"role", "user"}, {"content", "probe"}},
                      {{"role", "assistant"}, {"content", std::move(content)}, {"tool_calls", Json::array({call})}}});
}

// As json.dumps of Python writes it, which is what the templates' tojson gives.
std::string spaced_dump(const Json& json) {
  static const jinja::Template dump("{{ json | tojson }}");
  return dump.render({{"json", json}}, 0);
}

}  // namespace

ChatTemplate::ChatTemplate(std::string source, Tokens tokens, std::string name)
    : source_(std::move(source)), tokens_(std::move(tokens)), template_(source_, std::move(name)) {
  thinks_ = has(source_, think) || has(source_, end_think);
  switch_ = has(source_, "enable_thinking") || has(source_, "thinking is defined") || has(source_, "if thinking") ||
            has(source_, "not thinking");
  always_thinks_ = thinks_ && !switch_ && has(source_, "<｜Assistant｜>");
  form_ = probe();
  const Json function = {{"name", "probe_tool"},
                         {"description", ""},
                         {"parameters", {{"type", "object"}, {"properties", Json::object()}}}};
  const Json user = {{"role", "user"}, {"content", "probe"}};
  tools_ = shows(Json::array({user}), "probe_tool", Json::array({{{"type", "function"}, {"function", function}}}));
}

bool ChatTemplate::shows(const Json& messages, std::string_view text, const Json& tools) const {
  RenderOptions options;
  options.thinking = Thinking::as_template;
  options.now = 0;
  options.limits.steps = 1'000'000;
  try {
    return has(render(messages, tools, options).text, text);
  } catch (const Error&) {
    return false;
  }
}

ChatTemplate::Form ChatTemplate::probe() const {
  Form form;
  const Json object = {{"probe_key", 1}};
  const std::string text = R"({"probe_key": 1})";
  const bool object_beside_null = shows(call_conversation(nullptr, object), text, nullptr);
  const bool text_beside_null = shows(call_conversation(nullptr, text), text, nullptr);
  form.null_content = object_beside_null || text_beside_null;
  form.object_arguments = form.null_content ? object_beside_null : shows(call_conversation("", object), text, nullptr);
  form.text_arguments = form.null_content ? text_beside_null : shows(call_conversation("", text), text, nullptr);
  const Json parts =
      Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "text"}, {"text", "probe_text"}}})}}});
  form.parts =
      shows(parts, "probe_text", nullptr) && !shows(parts, "'type'", nullptr);  // one that takes none may print them
  return form;
}

void ChatTemplate::prepare_content(Json& message, const std::string& where) const {
  const bool calls = message.contains("tool_calls");
  if (!message.contains("content")) message["content"] = nullptr;
  Json& content = message["content"];
  if (content.is_array() && !form_.parts) {
    std::string text;
    for (std::size_t i = 0; i < content.size(); ++i) {
      if (!content[i].is_object() || !is_text(content[i], "text")) {
        const std::string type =
            content[i].is_object() && is_text(content[i], "type") ? content[i]["type"].get<std::string>() : "unknown";
        fail(ErrorKind::unsupported, "{}.content[{}]: a part of type '{}'; this model's template takes text only",
             where, i, type);
      }
      text += (i ? "\n" : "") + content[i]["text"].get<std::string>();
    }
    content = text;
  }
  if (content.is_string() && content.get_ref<const std::string&>().empty() && calls && form_.null_content)
    content = nullptr;
  if (content.is_null() && !(calls && form_.null_content)) content = "";
}

void ChatTemplate::prepare_calls(Json& message, const std::string& where) const {
  const auto calls = message.find("tool_calls");
  if (calls == message.end()) return;
  if (calls->is_null() || (calls->is_array() && calls->empty())) {
    message.erase("tool_calls");  // templates ask whether the key is there
    return;
  }
  if (!calls->is_array())
    fail(ErrorKind::input, "{}.tool_calls: an array was expected, found {}", where, calls->type_name());
  for (std::size_t i = 0; i < calls->size(); ++i) {
    Json& call = (*calls)[i];
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object() ||
        !is_text(call["function"], "name")) {
      fail(ErrorKind::input, "{}.tool_calls[{}].function: an object with a name was expected", where, i);
    }
    if (!call.contains("type")) call["type"] = "function";
    Json& arguments = call["function"]["arguments"];
    if (arguments.is_null()) arguments = Json::object();
    if (arguments.is_string() && !form_.text_arguments && form_.object_arguments) {
      const Json object = Json::parse(arguments.get_ref<const std::string&>(), nullptr, false);
      if (object.is_object()) arguments = object;
    } else if (!arguments.is_string() && form_.text_arguments && !form_.object_arguments) {
      arguments = spaced_dump(arguments);
    }
  }
}

// Moves a turn's thinking to reasoning_content where the template reads that (it then decides by itself), and away
// where it does not.
void ChatTemplate::leave_thinking_out(Json& message) const {
  if (!thinks_ || !is_text(message, "content")) return;
  const std::string content = message["content"];
  const std::size_t end = content.rfind(end_think);
  const bool unclosed = end == std::string::npos && left_trimmed(content).starts_with(think);
  if (end == std::string::npos && !unclosed) return;
  std::string_view thought = std::string_view(content).substr(0, end), answer;
  if (!unclosed) answer = std::string_view(content).substr(end + end_think.size());
  if (has(source_, "reasoning_content")) {
    const std::size_t start = thought.rfind(think);
    if (start != std::string_view::npos) thought.remove_prefix(start + think.size());
    thought = left_trimmed(thought, "\n");
    thought = thought.substr(0, thought.find_last_not_of('\n') + 1);
    if (!message.contains("reasoning_content") || message["reasoning_content"].is_null())
      message["reasoning_content"] = thought;
    answer = left_trimmed(answer, "\n");
  } else if (!has(source_, end_think)) {
    answer = left_trimmed(answer);
  }
  message["content"] = answer;
}

Json ChatTemplate::prepared(const Json& messages, bool continues) const {
  Json out = messages;
  for (std::size_t i = 0; i < out.size(); ++i) {
    Json& message = out[i];
    const std::string where = fmt::format("messages[{}]", i);
    if (message["role"] == "developer" && !has(source_, "developer")) message["role"] = "system";
    prepare_calls(message, where);
    prepare_content(message, where);
    if (message["role"] == "assistant" && !(continues && i + 1 == out.size())) leave_thinking_out(message);
  }
  return out;
}

// Ends the prompt with one open thinking, or a closed and empty one.
void ChatTemplate::set_thinking(std::string& text, Thinking thinking) const {
  const auto take_off = [&text](std::string_view mark) {
    const std::string_view kept = right_trimmed(text);
    if (!kept.ends_with(mark)) return false;
    text.resize(kept.size() - mark.size());
    return true;
  };
  const bool closed = right_trimmed(text).ends_with(end_think);
  if (thinking == Thinking::on || (thinking == Thinking::automatic && always_thinks_)) {
    if (closed) {
      take_off(end_think);
      if (!right_trimmed(text).ends_with(think)) text += end_think;  // closed by something else: leave it
    }
    while (take_off(think)) {
    }
    text += "<think>\n";
  } else if (thinking == Thinking::off && !closed) {
    const bool open = take_off(think);
    if (open || !switch_) text += "<think>\n\n</think>\n\n";
  }
}

Prompt ChatTemplate::render(const Json& messages, const Json& tools, const RenderOptions& options) const {
  return render(messages, tools, Json(), options);
}

Prompt ChatTemplate::render(const Json& messages, const Json& tools, const Json& variables,
                            const RenderOptions& options) const {
  if (!messages.is_array()) fail(ErrorKind::input, "messages: an array was expected, found {}", messages.type_name());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object() || !is_text(messages[i], "role"))
      fail(ErrorKind::input, "messages[{}]: an object with a role was expected", i);
  }
  if (!tools.is_null() && !tools.is_array())
    fail(ErrorKind::input, "tools: an array was expected, found {}", tools.type_name());
  const bool raw = options.thinking == Thinking::as_template;
  Json all = raw ? messages : prepared(messages, !options.add_generation_prompt);
  for (Json& message :
       all) {  // a message's reasoning goes by several names; as Hugging Face, give it under those that templates read
    for (const char* key : {"reasoning_content", "thinking", "reasoning"}) {
      if (!message.contains(key) || message[key].is_null()) continue;
      const Json reasoning = message[key];
      if (!message.contains("thinking")) message["thinking"] = reasoning;
      message["reasoning_content"] = reasoning;
      break;
    }
  }
  Json context = Json::object();
  for (const auto& [name, text] : tokens_) context[name] = text;
  if (variables.is_object()) context.update(variables);
  if (options.thinking == Thinking::on || options.thinking == Thinking::off) {
    context["enable_thinking"] = context["thinking"] = options.thinking == Thinking::on;
  }
  context["messages"] = options.protect ? options.protect(all) : std::move(all);
  context["tools"] = options.protect && !tools.is_null() ? options.protect(tools) : tools;
  context["documents"] = context.contains("documents") ? context["documents"] : Json();
  context["add_generation_prompt"] = options.add_generation_prompt;

  Prompt prompt;
  prompt.text = template_.render(context, options.now.value_or(std::time(nullptr)), options.limits);
  if (!raw && thinks_ && options.add_generation_prompt) set_thinking(prompt.text, options.thinking);
  if (const auto bos = tokens_.find("bos_token"); bos != tokens_.end() && !bos->second.empty()) {
    const std::string& mark = bos->second;
    while (!raw && prompt.text.starts_with(mark + mark)) prompt.text.erase(0, mark.size());
    prompt.has_bos = prompt.text.starts_with(mark);
  }
  prompt.thinking_open = thinks_ && options.add_generation_prompt && right_trimmed(prompt.text).ends_with(think);
  return prompt;
}

ChatTemplate ChatTemplate::standard(const std::function<bool(std::string_view)>& has_token, Tokens tokens) {
  const auto made = [&tokens](const char* source) {
    return ChatTemplate(source, std::move(tokens), "standard chat template");
  };
  if (has_token("<｜User｜>") && has_token("<｜Assistant｜>")) {
    if (has_token(think)) {
      return made(
          "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% elif m.role "
          "== 'assistant' %}"
          "{{ '<｜Assistant｜>' + m.content.split('</think>')[-1] + eos_token }}{% else %}{{ m.content }}{% endif %}{% "
          "endfor %}"
          "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}");
    }
    return made(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% elif m.role "
        "== 'assistant' %}"
        "{{ '<｜Assistant｜>' + m.content + eos_token }}{% else %}{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}");
  }
  if (has_token("<|im_start|>") && has_token("<|im_end|>")) {
    return made(
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");
  }
  if (has_token("<|start_header_id|>") && has_token("<|eot_id|>")) {
    return made(
        "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + "
        "m.content.strip() + '<|eot_id|>' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif "
        "%}");
  }
  if (has_token("<|im_user|>") && has_token("<|im_middle|>")) {
    return made(
        "{% for m in messages %}{{ '<|im_' + (m.role if m.role in ['user', 'assistant'] else 'system') + '|>' + m.role "
        "}}"
        "{{ '<|im_middle|>' + m.content + '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_assistant|>assistant<|im_middle|>' }}{% endif %}");
  }
  return made(
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content + '\\n\\n' }}{% else %}"
      "{{ m.role.capitalize() + ': ' + m.content + '\\n\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ "
      "'Assistant:' }}{% endif %}");
}

std::optional<std::string> chat_template_source(const nlohmann::json& config) {
  const auto found = config.is_object() ? config.find("chat_template") : config.end();
  if (!config.is_object() || found == config.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return std::nullopt;
  std::optional<std::string> first;
  for (const nlohmann::json& entry : *found) {
    if (!entry.is_object() || !entry.contains("template") || !entry["template"].is_string()) continue;
    if (entry.value("name", "") == "default") return entry["template"].get<std::string>();
    if (!first) first = entry["template"].get<std::string>();
  }
  return first;
}

}  // namespace limpid
