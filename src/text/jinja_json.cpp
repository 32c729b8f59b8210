// json.dumps of Python: Hugging Face replaces Jinja2's tojson by it, so that prompts hold the JSON that models were
// trained on.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja_builtins.h"
#include "text/jinja_text.h"

namespace limpid::jinja {
namespace {

class Writer {
 public:
  Writer(Heap& heap, const JsonStyle& style) : heap_(heap), style_(style) {}

  void write(const Value& value, int level) {
    heap_.step();
    if (out_.size() > heap_.limits().output_bytes)
      fail(ErrorKind::resources, "more than {} bytes of JSON", heap_.limits().output_bytes);
    const Heap::Deeper deeper(heap_);
    if (value.is_string()) {
      string(value.text());
    } else if (value.list()) {
      list(*value.list(), level);
    } else if (value.is_mapping()) {
      dict(*value.dict(), level);
    } else if (!scalar(value)) {
      fail(ErrorKind::input, "a value of type '{}' has no JSON", value.type_name());
    }
  }

  std::string take() { return std::move(out_); }

 private:
  bool scalar(const Value& value) {
    if (value.is_none()) {
      out_ += "null";
    } else if (value.is_bool()) {
      out_ += value.integer() ? "true" : "false";
    } else if (value.is_integer()) {
      out_ += std::to_string(value.integer());
    } else if (value.is_float()) {
      const double number = value.number();
      out_ += std::isnan(number)   ? "NaN"
              : std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity")
                                   : float_text(number);
    } else {
      return false;
    }
    return true;
  }

  void string(std::string_view text) {
    heap_.step_bytes(text.size());
    out_ += '"';
    for (std::size_t at = 0; at < text.size();) {
      const unsigned char c = static_cast<unsigned char>(text[at]);
      if (c == '"' || c == '\\') {
        out_ += '\\', out_ += static_cast<char>(c);
      } else if (c < 0x20) {
        control(c);
      } else if (c >= 0x80 && style_.ensure_ascii) {
        at += escaped(text, at);
        continue;
      } else {
        out_ += static_cast<char>(c);
      }
      ++at;
    }
    out_ += '"';
  }

  void control(unsigned char c) {
    static constexpr std::string_view names = "btnvfr";  // 8 to 13; \v has no short form
    if (c >= 8 && c <= 13 && c != 11) {
      out_ += '\\', out_ += names[c - 8u];
    } else {
      out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    }
  }

  std::size_t escaped(std::string_view text, std::size_t at) {
    const Character c = character_at(text, at);
    const unsigned code = static_cast<unsigned>(c.code);
    if (code < 0x10000) {
      out_ += fmt::format("\\u{:04x}", code);
    } else {
      out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF));
    }
    return c.size;
  }

  void newline(int level) {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < level; ++i) out_ += *style_.indent;
    heap_.step(1 + static_cast<std::uint64_t>(level));
    if (out_.size() > heap_.limits().output_bytes)
      fail(ErrorKind::resources, "more than {} bytes of JSON", heap_.limits().output_bytes);
  }

  void separator(bool first) {
    if (!first) out_ += style_.item_separator.value_or(style_.indent ? "," : ", ");
  }

  void list(const List& items, int level) {
    out_ += '[';
    for (std::size_t i = 0; i < items.items.size(); ++i) {
      separator(i == 0);
      newline(level + 1);
      write(items.items[i], level + 1);
    }
    if (!items.items.empty()) newline(level);
    out_ += ']';
  }

  void key(const Value& name) {
    if (name.is_string()) return string(name.text());
    out_ += '"';
    if (!scalar(name)) fail(ErrorKind::input, "a key of type '{}' has no JSON", name.type_name());
    out_ += '"';
  }

  void dict(const Dict& items, int level) {
    std::vector<const std::pair<Value, Value>*> order;
    for (const auto& entry : items.entries) order.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(order.begin(), order.end(),
                       [this](const auto* a, const auto* b) { return compare(heap_, a->first, b->first) < 0; });
    }
    out_ += '{';
    for (std::size_t i = 0; i < order.size(); ++i) {
      separator(i == 0);
      newline(level + 1);
      key(order[i]->first);
      out_ += style_.key_separator;
      write(order[i]->second, level + 1);
    }
    if (!order.empty()) newline(level);
    out_ += '}';
  }

  Heap& heap_;
  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

std::string to_json(Heap& heap, const Value& value, const JsonStyle& style) {
  Writer writer(heap, style);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace limpid::jinja
