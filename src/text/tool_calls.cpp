#include "text/tool_calls.h"

#include <nlohmann/json.hpp>

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t deepest_json = 200;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The JSON of a text whose nesting was not checked yet; discarded where it is none.
Json parsed(std::string_view text) {
  std::size_t depth = 0;
  bool string = false, escape = false;
  for (const char c : text) {
    if (escape) {
      escape = false;
    } else if (string) {
      escape = c == '\\';
      string = c != '"';
    } else if (c == '"') {
      string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest_json) return Json(Json::value_t::discarded);
    } else if ((c == '}' || c == ']') && depth) {
      --depth;
    }
  }
  return Json::parse(text, nullptr, false);
}

std::optional<ToolCall> read_deepseek(std::string_view body) {
  const std::string_view separator = tool_marks(ToolFormat::deepseek).separator;
  const std::size_t cut = body.find(separator);
  if (cut == std::string_view::npos) return std::nullopt;
  const std::string_view head = trimmed(body.substr(0, cut)), tail = body.substr(cut + separator.size());
  ToolCall call;
  const std::size_t fence = tail.find("```");
  const std::size_t line = tail.find('\n');
  const std::string_view first_line = trimmed(tail.substr(0, line));
  if (head == "function" || (line != std::string_view::npos && fence != std::string_view::npos && line < fence)) {
    call.name = first_line;  // V3 and R1
    std::string_view arguments = line == std::string_view::npos ? std::string_view{} : trimmed(tail.substr(line));
    if (arguments.starts_with("```")) {
      const std::size_t start = arguments.find('\n');
      arguments = start == std::string_view::npos ? std::string_view{} : trimmed(arguments.substr(start));
      if (arguments.ends_with("```")) arguments = trimmed(arguments.substr(0, arguments.size() - 3));
    }
    call.arguments = arguments;
  } else {
    call.name = head;
    call.arguments = trimmed(tail);
  }
  if (call.name.empty()) return std::nullopt;
  return call;
}

std::optional<ToolCall> read_kimi(std::string_view body) {
  const std::string_view separator = tool_marks(ToolFormat::kimi).separator;
  const std::size_t cut = body.find(separator);
  if (cut == std::string_view::npos) return std::nullopt;
  ToolCall call;
  call.id = trimmed(body.substr(0, cut));
  call.arguments = trimmed(body.substr(cut + separator.size()));
  std::string_view name = call.id;  // functions.NAME:INDEX
  if (name.starts_with("functions.")) name.remove_prefix(10);
  const std::size_t colon = name.rfind(':');
  if (colon != std::string_view::npos && name.find_first_not_of("0123456789", colon + 1) == std::string_view::npos)
    name = name.substr(0, colon);
  call.name = name;
  if (call.name.empty()) return std::nullopt;
  return call;
}

}  // namespace

ToolMarks tool_marks(ToolFormat format) {
  if (format == ToolFormat::deepseek) {
    return {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
            "<｜tool▁sep｜>"};
  }
  if (format == ToolFormat::kimi) {
    return {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>", "<|tool_call_end|>",
            "<|tool_call_argument_begin|>"};
  }
  return {};
}

ToolFormat tool_format_of(std::string_view chat_template) {
  const auto has = [chat_template](std::string_view mark) {
    return chat_template.find(mark) != std::string_view::npos;
  };
  if (has("<｜tool▁calls▁begin｜>")) return ToolFormat::deepseek;
  if (has("<|tool_calls_section_begin|>")) return ToolFormat::kimi;
  if (has("<tool_call>")) return ToolFormat::hermes;
  if (has("<|python_tag|>") || (has("<|start_header_id|>") && has("\"parameters\""))) return ToolFormat::llama3;
  return ToolFormat::none;
}

std::optional<ToolCall> read_marked_call(ToolFormat format, std::string_view body) {
  return format == ToolFormat::kimi ? read_kimi(body) : read_deepseek(body);
}

std::optional<ToolCall> read_json_call(std::string_view object) {
  const Json json = parsed(object);
  if (!json.is_object()) return std::nullopt;
  const Json& function = json.contains("function") && json["function"].is_object() ? json["function"] : json;
  const auto name = function.find("name");
  if (name == function.end() || !name->is_string() || name->get_ref<const std::string&>().empty()) return std::nullopt;
  ToolCall call;
  call.name = name->get<std::string>();
  auto arguments = function.find("arguments");
  if (arguments == function.end()) arguments = function.find("parameters");
  if (arguments == function.end()) return std::nullopt;
  call.arguments = arguments->is_string() ? arguments->get<std::string>()
                   : arguments->is_null() ? "{}"
                                          : arguments->dump();
  return call;
}

ToolCall read_python_call(std::string_view text) {
  text = trimmed(text);
  ToolCall call;
  Json arguments = Json::object();
  const std::size_t open = text.find(".call(");
  const bool named = open != std::string_view::npos && open > 0 && text.ends_with(")") &&
                     text.substr(0, open).find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == std::string_view::npos;
  std::string_view inside = named ? text.substr(open + 6, text.size() - open - 7) : std::string_view{};
  bool fits = named;
  while (fits && !trimmed(inside).empty()) {
    inside = trimmed(inside);
    const std::size_t equals = inside.find("=\"");
    const std::size_t close = equals == std::string_view::npos ? equals : inside.find('"', equals + 2);
    if (close == std::string_view::npos) {
      fits = false;
    } else {
      arguments[std::string(trimmed(inside.substr(0, equals)))] =
          std::string(inside.substr(equals + 2, close - equals - 2));
      inside = trimmed(inside.substr(close + 1));
      if (inside.starts_with(",")) inside.remove_prefix(1);
    }
  }
  call.name = fits ? std::string(text.substr(0, open)) : "python";
  call.arguments = fits ? arguments.dump() : Json{{"code", std::string(text)}}.dump();
  return call;
}

std::optional<std::size_t> JsonEnd::find(std::string_view text) {
  for (; at_ < text.size(); ++at_) {
    const char c = text[at_];
    if (escape_) {
      escape_ = false;
    } else if (string_) {
      escape_ = c == '\\';
      string_ = c != '"';
    } else if (c == '"') {
      string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && (depth_ == 0 || --depth_ == 0)) {
      return at_ + 1;
    }
  }
  return std::nullopt;
}

}  // namespace limpid
