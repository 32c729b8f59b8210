#include "text/tool_calls.h"

#include <algorithm>
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

constexpr std::string_view kWhite = " \t\r\n";
constexpr std::string_view kFence = "```";

// V3.1 writes NAME, the separator and an object; V3 and R1 "function", the separator, NAME on the rest of the line, and
// the object between fences. A fence behind the end of a line is the latter, too, whatever stands before the separator.
std::optional<MarkedHead> deepseek_head(std::string_view body, bool whole) {
  const std::string_view separator = tool_marks(ToolFormat::deepseek).separator;
  const std::size_t cut = body.find(separator);
  if (cut == std::string_view::npos) return std::nullopt;
  const std::size_t tail = cut + separator.size();
  const std::size_t first = body.find_first_not_of(kWhite, tail);
  if (first == std::string_view::npos && !whole) return std::nullopt;
  MarkedHead head;
  head.name = trimmed(body.substr(0, cut));
  head.arguments = std::min(first, body.size());
  if (first != std::string_view::npos && body[first] == '{') return head;

  const std::size_t line = std::min(body.find('\n', tail), body.size()), fence = body.find(kFence, tail);
  const bool function = head.name == "function";
  if (!function && !whole) return std::nullopt;
  if (!function && (fence == std::string_view::npos || line > fence)) return head;
  if (line == body.size() && !whole) return std::nullopt;
  head.name = trimmed(body.substr(tail, line - tail));
  head.arguments = std::min(body.find_first_not_of(kWhite, line), body.size());
  const std::string_view rest = body.substr(head.arguments);
  if (!whole && rest.size() < kFence.size() && kFence.starts_with(rest)) return std::nullopt;
  if (!rest.starts_with(kFence)) return head;
  head.fenced = true;
  const std::size_t behind = std::min(body.find('\n', head.arguments), body.size());
  head.arguments = std::min(body.find_first_not_of(kWhite, behind), body.size());
  if (head.arguments == body.size() && !whole) return std::nullopt;
  return head;
}

// functions.NAME:INDEX, the separator, and an object.
std::optional<MarkedHead> kimi_head(std::string_view body, bool whole) {
  const std::string_view separator = tool_marks(ToolFormat::kimi).separator;
  const std::size_t cut = body.find(separator);
  if (cut == std::string_view::npos) return std::nullopt;
  MarkedHead head;
  head.id = trimmed(body.substr(0, cut));
  std::string_view name = head.id;
  if (name.starts_with("functions.")) name.remove_prefix(10);
  const std::size_t colon = name.rfind(':');
  if (colon != std::string_view::npos && name.find_first_not_of("0123456789", colon + 1) == std::string_view::npos)
    name = name.substr(0, colon);
  head.name = name;
  head.arguments = std::min(body.find_first_not_of(kWhite, cut + separator.size()), body.size());
  if (head.arguments == body.size() && !whole) return std::nullopt;
  return head;
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

std::optional<MarkedHead> marked_head(ToolFormat format, std::string_view body, bool whole) {
  std::optional<MarkedHead> head = format == ToolFormat::kimi ? kimi_head(body, whole) : deepseek_head(body, whole);
  if (head && head->name.empty()) head.reset();
  return head;
}

std::string_view marked_arguments(const MarkedHead& head, std::string_view body) {
  std::string_view arguments = trimmed(body.substr(head.arguments));
  if (head.fenced && arguments.ends_with(kFence))
    arguments = trimmed(arguments.substr(0, arguments.size() - kFence.size()));
  return arguments;
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

void CallObject::read(std::string_view text) {
  for (; at_ < text.size() && !end_; ++at_) {
    const char c = text[at_];
    if (escape_) {
      escape_ = false;
    } else if (string_) {
      escape_ = c == '\\';
      string_ = c != '"';
      if (!string_ && depth_ == 1) string_ends(text);
    } else if (c == '"') {
      string_ = true;
      string_begin_ = at_;
    } else if (c == '{' || c == '[') {
      const bool arguments = key_ == "arguments" || (format_ == ToolFormat::llama3 && key_ == "parameters");
      if (depth_ == 1 && c == '{' && value_ && arguments && !begun_ && !name_.empty()) {
        begun_ = true;
        arguments_ = at_;
      }
      ++depth_;
    } else if (c == '}' || c == ']') {
      if (depth_ == 0 || --depth_ == 0) {
        end_ = at_ + 1;
      } else if (depth_ == 1 && begun_ && !done_) {
        done_ = complete_ = true;
        arguments_end_ = at_ + 1;
      }
    } else if (c == '<' && begun_ && !done_) {  // no JSON has it there: the mark that ends the call
      done_ = true;
      arguments_end_ = at_;
    } else if (depth_ == 1 && (c == ':' || c == ',')) {
      value_ = c == ':';
    }
  }
}

// Of a key, or of a value.
void CallObject::string_ends(std::string_view text) {
  const std::string_view string = text.substr(string_begin_, at_ + 1 - string_begin_);
  if (!value_) {
    key_ = string.substr(1, string.size() - 2);
  } else if (key_ == "name" && name_.empty()) {
    const Json name = Json::parse(string, nullptr, false);
    if (name.is_string()) name_ = name.get<std::string>();
  }
}

}  // namespace limpid
