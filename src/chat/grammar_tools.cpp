// Tool calls as models write them (text/tool_calls.h), with arguments by the schemas of the functions.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "chat/grammar.h"
#include "chat/grammar_compile.h"
#include "chat/grammar_json.h"
#include "chat/grammar_net.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostTools = 128;
constexpr std::size_t kMostNameBytes = 128;
constexpr std::int64_t kMostCalls = 128;  // in one answer
constexpr std::string_view kHermesBegin = "<tool_call>", kHermesEnd = "</tool_call>", kPython = "<|python_tag|>";

struct Tool {
  std::string name;
  Json parameters;
  std::string path;
};

const Json kNoParameters = {{"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};

// Arguments are an object, whatever else the schema says.
NetRule compile_arguments(JsonRules& json, const Json& parameters, const std::string& path) {
  SchemaRules rules(json, parameters);
  if (parameters.is_object() && parameters.value("type", Json()) == "object") return rules.compile(parameters, path);
  return rules.compile(Json{{"allOf", Json::array({Json{{"type", "object"}}, parameters})}}, path);
}

// The parameters, or any object where they cannot be held and need not.
Json held(const Json& function, const std::string& path) {
  const Json parameters = function.value("parameters", Json());
  if (parameters.is_null()) return kNoParameters;
  const bool strict = function.value("strict", Json(false)) == Json(true);
  try {
    NetBuilder net;
    JsonRules json(net);
    const NetRule root = compile_arguments(json, parameters, path);
    net.finish(root);
    return parameters;
  } catch (const Error& error) {
    if (strict) throw;
    return Json{{"type", "object"}};
  } catch (const nlohmann::json::exception& error) {  // text that is no UTF-8
    fail(ErrorKind::input, "{}: the schema is no JSON: {}", path, error.what());
  }
}

void check_name(const std::string& name, const std::string& path) {
  const bool known = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
  if (!known || name.empty() || name.size() > kMostNameBytes)
    fail(ErrorKind::input, "{}.name: \"{}\" is not 1 to {} letters, digits, '_', '-' or '.'", path, name,
         kMostNameBytes);
}

std::vector<Tool> chosen_tools(const Json& tools, const ToolRules& rules) {
  if (!tools.is_array() || tools.empty()) fail(ErrorKind::input, "tools: the list is empty, but a tool must be called");
  if (tools.size() > kMostTools)
    fail(ErrorKind::input, "tools: {} functions, the limit is {}", tools.size(), kMostTools);
  std::vector<Tool> out;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string path = fmt::format("tools[{}].function", i);
    if (!tools[i].is_object() || !tools[i].contains("function") || !tools[i]["function"].is_object())
      fail(ErrorKind::input, "tools[{}]: expected an object with a function", i);
    const Json& function = tools[i]["function"];
    const Json name = function.value("name", Json());
    if (!name.is_string()) fail(ErrorKind::input, "{}.name: expected a string, found {}", path, name.type_name());
    check_name(name.get_ref<const std::string&>(), path);
    if (rules.name && *rules.name != name.get_ref<const std::string&>()) continue;
    out.push_back({name.get<std::string>(), held(function, path + ".parameters"), path});
  }
  if (out.empty()) fail(ErrorKind::input, "tool_choice: no tool is called \"{}\"", rules.name.value_or(""));
  return out;
}

class ToolNet {
 public:
  ToolNet(ToolFormat format, bool parallel) : format_(format), parallel_(parallel) {}

  // answer: its schema where it is no call; none: it is free.
  GrammarNet build(const std::vector<Tool>& tools, ToolUse use, const Json* answer) {
    const NetRule calls = all_calls(tools);
    if (use == ToolUse::required) return net_.finish(calls);
    const NetRule root = net_.declare("an answer");
    const NetState end = net_.state();
    net_.final(end);
    if (answer != nullptr) {
      const NetState start = net_.state();
      net_.call(start, calls, end);
      net_.call(start, SchemaRules(lines_, *answer).compile(*answer, "#"), end);
      net_.define(root, start);
    } else if (format_ == ToolFormat::hermes) {
      net_.define(root, text_until(kHermesBegin, calls, end));
    } else if (format_ == ToolFormat::llama3) {
      net_.define(root, text_without_object(calls, end));
    } else {
      const NetState text = free_text();
      net_.call(text, calls, end);
      net_.define(root, text);
    }
    return net_.finish(root);
  }

 private:
  // Every call that may be made, in one rule, with all that stands around them.
  NetRule all_calls(const std::vector<Tool>& tools) {
    const NetRule rule = net_.declare("tool calls");
    const NetState start = net_.state(), begin = net_.state(), end = net_.state();
    net_.define(rule, start);
    net_.final(end);
    const ToolMarks marks = tool_marks(format_);
    const bool section = !marks.section_begin.empty();
    if (section) {
      net_.skip(net_.mark_token(start, marks.section_begin, true), begin);
    } else {
      net_.skip(start, begin);
      if (format_ == ToolFormat::llama3) net_.skip(net_.mark_token(start, kPython, false), begin);
    }
    const NetState done = net_.state();
    net_.ask(done, net_.counter(0, parallel_ ? kMostCalls - 1 : 0));
    for (const Tool& tool : tools) call(tool, begin, done);
    NetEdge again;
    again.need = CounterNeed::below_most;
    again.counts = true;
    again.target = net_.state();
    net_.edge(done, again);
    separator(again.target, begin);
    NetEdge over;
    over.clears = true;
    over.target = section ? net_.state() : end;
    net_.edge(done, over);
    if (section) net_.skip(net_.mark_token(over.target, marks.section_end, true), end);
    return rule;
  }

  void separator(NetState from, NetState to) {
    if (format_ == ToolFormat::hermes) {
      net_.skip(net_.text(from, "\n"), to);
    } else if (format_ == ToolFormat::llama3) {
      from = net_.text(from, ";");
      net_.skip(from, to);
      net_.skip(net_.text(from, " "), to);
    } else {
      net_.skip(from, to);
      if (format_ == ToolFormat::deepseek) net_.skip(net_.text(from, "\n"), to);
    }
  }

  void call(const Tool& tool, NetState from, NetState to) {
    const std::string name = Json(tool.name).dump();
    const ToolMarks marks = tool_marks(format_);
    const auto marked = [&](std::string_view mark, NetState at) { return net_.mark_token(at, mark, true); };
    switch (format_) {
      case ToolFormat::hermes: {
        const NetState head = net_.text(net_.mark(from, kHermesBegin), "\n{\"name\": " + name + ", \"arguments\": ");
        net_.skip(net_.mark(net_.text(net_.call(head, arguments(tool, lines_)), "}\n"), kHermesEnd), to);
        return;
      }
      case ToolFormat::llama3: {
        const NetState head = net_.text(from, "{\"name\": " + name + ", \"parameters\": ");
        net_.skip(net_.text(net_.call(head, arguments(tool, lines_)), "}"), to);
        return;
      }
      case ToolFormat::kimi: {
        const NetState head = net_.text(marked(marks.call_begin, from), "functions." + tool.name + ":");
        const NetState index = net_.state(), more = net_.state();
        net_.byte(head, '0', '0', index);
        net_.byte(head, '1', '9', more);
        net_.byte(more, '0', '9', index);
        net_.skip(more, index);
        const NetState body = net_.call(marked(marks.separator, index), arguments(tool, lines_));
        net_.skip(marked(marks.call_end, body), to);
        return;
      }
      case ToolFormat::deepseek: {
        const NetState begin = marked(marks.call_begin, from), end = net_.state();
        // V3 and R1.
        const NetState fence =
            net_.text(marked(marks.separator, net_.text(begin, "function")), tool.name + "\n```json\n");
        net_.skip(net_.text(net_.call(fence, arguments(tool, lines_)), "\n```"), end);
        // V3.1; a name "function" would be read as the other, and so would a fence behind the end of a line.
        if (tool.name != "function") {
          const NetState plain = marked(marks.separator, net_.text(begin, tool.name));
          net_.call(plain, arguments(tool, one_line_), end);
        }
        net_.skip(marked(marks.call_end, end), to);
        return;
      }
      case ToolFormat::none:
        return;
    }
  }

  NetRule arguments(const Tool& tool, JsonRules& json) {
    return compile_arguments(json, tool.parameters, tool.path + ".parameters");
  }

  // Text may end anywhere; a state in which it goes on.
  NetState free_text() {
    const NetState text = net_.state();
    net_.byte(text, 0, 255, text);
    net_.body(text, NetBody::text);
    net_.final(text);
    return text;
  }

  // Text, and from the first mark on `calls`, which begins with the mark; whether it is a token or spelled out. The
  // text never contains it (Knuth, Morris and Pratt, 1977).
  NetState text_until(std::string_view mark, NetRule calls, NetState end) {
    std::vector<NetState> states;
    for (std::size_t n = 0; n < mark.size(); ++n) {
      states.push_back(net_.state());
      net_.final(states[n]);
      net_.call(states[n], calls, end);
    }
    net_.body(states[0], NetBody::text);
    std::vector<std::size_t> longest(256);
    for (std::size_t n = 0; n < mark.size(); ++n) {
      const std::string so_far(mark.substr(0, n));
      for (unsigned b = 0; b < 256; ++b) {
        const std::string text = so_far + static_cast<char>(b);
        std::size_t length = text.size();
        while (length > 0 && !(text.ends_with(mark.substr(0, length)))) --length;
        longest[b] = length;
      }
      for (unsigned b = 0, last; b < 256; b = last + 1) {
        last = b;
        while (last < 255 && longest[last + 1] == longest[b]) ++last;
        if (longest[b] < mark.size()) net_.byte(states[n], b, last, states[longest[b]]);
      }
    }
    return states[0];
  }

  // What begins with a brace is a call; other text is free.
  NetState text_without_object(NetRule calls, NetState end) {
    const NetState start = net_.state(), text = free_text();
    net_.final(start);
    net_.call(start, calls, end);
    for (const unsigned white : {'\t', '\n', '\r', ' '}) net_.byte(start, white, white, start);
    for (const auto& [first, last] : {std::pair{0, 8}, {11, 12}, {14, 31}, {33, '{' - 1}, {'{' + 1, 255}})
      net_.byte(start, static_cast<unsigned>(first), static_cast<unsigned>(last), text);
    return start;
  }

  const ToolFormat format_;
  const bool parallel_;
  NetBuilder net_;
  JsonRules lines_{net_}, one_line_{net_, JsonSpace::one_line};
};

}  // namespace

std::shared_ptr<const Grammar> tool_grammar(const nlohmann::ordered_json& tools, const ToolRules& rules,
                                            ToolFormat format, const nlohmann::ordered_json* answer) {
  if (format == ToolFormat::none)
    fail(ErrorKind::unsupported, "tools: this model's chat template has no format for tool calls");
  const std::vector<Tool> chosen = chosen_tools(tools, rules);
  const bool value = answer != nullptr && rules.use == ToolUse::automatic;
  return std::make_shared<const Grammar>(ToolNet(format, rules.parallel).build(chosen, rules.use, answer),
                                         value ? GrammarWrites::calls_or_value : GrammarWrites::calls);
}

}  // namespace limpid
