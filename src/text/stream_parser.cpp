#include "text/stream_parser.h"

#include <algorithm>

namespace limpid {
namespace {

constexpr std::string_view open_mark = "<think>", close_mark = "</think>", hermes_begin = "<tool_call>",
                           hermes_end = "</tool_call>", python_mark = "<|python_tag|>", next_mark = ";";

bool is_white(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

std::size_t white_prefix(std::string_view text) {
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_white) - text.begin());
}

// Whether `text` is the beginning of `mark` or has it at its beginning.
bool agrees(std::string_view text, std::string_view mark) {
  const std::size_t size = std::min(text.size(), mark.size());
  return text.substr(0, size) == mark.substr(0, size);
}

// Bytes at the end of `text` that the mark may begin with.
std::size_t partial_mark(std::string_view text, std::string_view mark) {
  for (std::size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size)
    if (text.substr(text.size() - size) == mark.substr(0, size)) return size;
  return 0;
}

// Whether the first key of an object may be that of a call; the text begins with its brace.
bool may_be_call(std::string_view object) {
  const std::string_view key = object.substr(1 + white_prefix(object.substr(1)));
  return agrees(key, "\"name\"") || agrees(key, "\"type\"") || agrees(key, "\"function\"");
}

}  // namespace

StreamParser::StreamParser(Options options)
    : options_(options), marks_(tool_marks(options.tools)), thought_(options.thinks && options.starts_thinking) {
  if (options_.thinks) known_ = {{open_mark, Mark::open_think}, {close_mark, Mark::close_think}};
  if (!marks_.section_begin.empty()) {
    known_.emplace_back(marks_.section_begin, Mark::section);
    known_.emplace_back(marks_.call_begin, Mark::call);
  }
  if (options_.tools == ToolFormat::hermes) known_.emplace_back(hermes_begin, Mark::hermes);
  if (options_.tools == ToolFormat::llama3) known_.emplace_back(python_mark, Mark::python);
  if (thought_) enter(Part::thinking);
}

std::vector<StreamEvent> StreamParser::push(std::string_view bytes) {
  Events out;
  held_ += decoder_.push(bytes);
  run(false, out);
  return out;
}

std::vector<StreamEvent> StreamParser::finish(bool cut) {
  Events out;
  cut_ = cut;
  held_ += decoder_.finish();
  run(true, out);
  if (!space_.empty() && !(start_ && after_mark_)) {
    emit(part_ == Part::thinking ? StreamEvent::Kind::thinking : StreamEvent::Kind::answer, std::move(space_), out);
  }
  space_.clear();
  return out;
}

void StreamParser::run(bool final, Events& out) {
  bool moves = true;
  while (moves && (at_ < held_.size() || (final && part_ != Part::thinking && part_ != Part::answer))) {
    switch (part_) {
      case Part::thinking:
      case Part::answer:
        moves = text(final, out);
        break;
      case Part::between_calls:
        moves = between_calls(final);
        break;
      case Part::call:
        moves = call(final, out);
        break;
      case Part::json:
        moves = json(final, out);
        break;
    }
  }
  held_.erase(0, at_);
  at_ = 0;
}

void StreamParser::enter(Part part) {
  part_ = part;
  start_ = true;
  after_mark_ = true;
  space_.clear();
  searched_ = 0;
  scan_ = CallObject(options_.tools);
  head_.reset();
  seen_ = solid_ = 0;
}

// A mark that would mean something here.
bool StreamParser::counts(Mark mark) const {
  const bool thinking = part_ == Part::thinking;
  const bool call = thinking || start_ || !options_.only_calls_or_text;
  switch (mark) {
    case Mark::open_think:
      return start_;
    case Mark::close_think:
      return thinking || !thought_ || start_;
    case Mark::section:
    case Mark::call:
      return call;
    case Mark::hermes:
    case Mark::python:
      return call && !thinking;
  }
  return false;
}

StreamParser::Match StreamParser::match(Mark& mark, std::size_t& size) const {
  bool partial = false;
  for (const auto& [text, meaning] : known_) {
    if (!counts(meaning) || !agrees(rest(), text)) continue;
    if (rest().size() >= text.size()) {
      mark = meaning;
      size = text.size();
      return Match::whole;
    }
    partial = true;
  }
  return partial ? Match::partial : Match::none;
}

bool StreamParser::text(bool final, Events& out) {
  const std::size_t white = white_prefix(rest());
  const char first = white < rest().size() ? rest()[white] : '\0';
  if (first == '{' && start_ && options_.tools == ToolFormat::llama3 && part_ == Part::answer) {
    say(rest().substr(0, white), out);
    at_ += white;
    if (may_be_call(rest())) {
      opened_.clear();
      before_ = part_;
      const std::string kept = space_;  // said if this is no call
      const bool after = after_mark_;
      enter(Part::json);
      space_ = kept;
      after_mark_ = after;
      return true;
    }
    say("{", out);
    ++at_;
    return true;
  }
  const std::size_t plain = std::min(rest().find('<'), rest().size());
  if (plain) {
    say(rest().substr(0, plain), out);
    at_ += plain;
    return true;
  }
  Mark mark{};
  std::size_t size = 0;
  const Match found = match(mark, size);
  if (found == Match::partial && !final) return false;
  if (found == Match::whole) {
    opened_ = rest().substr(0, size);
    at_ += size;
    enter(mark, out);
  } else {
    say("<", out);
    ++at_;
  }
  return true;
}

void StreamParser::enter(Mark mark, Events& out) {
  before_ = part_;
  in_python_ = mark == Mark::python;
  switch (mark) {
    case Mark::open_think:
      thought_ = true;
      enter(Part::thinking);
      break;
    case Mark::close_think:
      if (part_ == Part::answer && !thought_ && answered_)
        out.push_back({StreamEvent::Kind::answer_was_thinking, {}, {}});
      thought_ = true;
      enter(Part::answer);
      break;
    case Mark::section:
      enter(Part::between_calls);
      break;
    case Mark::call:
      enter(Part::call);
      break;
    case Mark::hermes:
    case Mark::python:
      enter(Part::json);
      break;
  }
}

// Inside a section: white space, another call, the end, or something else, with which the section is over.
bool StreamParser::between_calls(bool final) {
  at_ += white_prefix(rest());
  if (rest().starts_with(marks_.call_begin)) {
    opened_ = marks_.call_begin;
    at_ += marks_.call_begin.size();
    before_ = Part::answer;
    enter(Part::call);
    return true;
  }
  const bool ends = rest().starts_with(marks_.section_end);
  if (!ends && !final && (agrees(rest(), marks_.call_begin) || agrees(rest(), marks_.section_end))) return false;
  if (ends) at_ += marks_.section_end.size();
  enter(Part::answer);
  return true;
}

bool StreamParser::call(bool final, Events& out) {
  constexpr std::size_t kLongestHead = 4096;  // in a longer one nothing is looked for again and again
  const std::size_t end = rest().find(marks_.call_end, searched_);
  if (end == std::string_view::npos && !final) {
    searched_ = rest().size() - std::min(rest().size(), marks_.call_end.size() - 1);
    const std::string_view body = rest().substr(0, rest().size() - partial_mark(rest(), marks_.call_end));
    if (!head_ && body.size() <= kLongestHead) {
      head_ = marked_head(options_.tools, body, false);
      if (head_) begin_call(head_->name, head_->id, out);
    }
    if (!head_) return false;
    // White space, and the fence, may end the arguments and are no part of them then.
    for (seen_ = std::max(seen_, head_->arguments); seen_ < body.size(); ++seen_)
      if (!is_white(body[seen_]) && !(head_->fenced && body[seen_] == '`')) solid_ = seen_ + 1;
    if (solid_ > head_->arguments) say_arguments(body.substr(head_->arguments, solid_ - head_->arguments), out);
    return false;
  }
  const std::string_view body = rest().substr(0, end);
  if (!head_) {
    head_ = marked_head(options_.tools, body, true);
    if (head_) begin_call(head_->name, head_->id, out);
  }
  const std::size_t size =
      std::min(rest().size(), end == std::string_view::npos ? body.size() : end + marks_.call_end.size());
  if (!head_) {
    give_up(size, out);
    return true;
  }
  end_call(marked_arguments(*head_, body), end != std::string_view::npos, out);
  at_ += size;
  enter(Part::between_calls);
  return true;
}

// The next `size` bytes are no call: they are text, with the mark that announced one.
void StreamParser::give_up(std::size_t size, Events& out) {
  if (cut_ && !opened_.empty() && size == rest().size()) {
    at_ += size;
    in_python_ = false;
    return enter(Part::answer);
  }
  const std::string text = opened_ + std::string(rest().substr(0, size));
  const std::string space = space_;
  const bool after = after_mark_;
  at_ += size;
  in_python_ = false;
  enter(before_);
  if (opened_.empty()) {  // a bare object: nothing stood between it and the white space before it
    space_ = space;
    after_mark_ = after;
  }
  say(text, out);
}

// One object: <tool_call>{...}</tool_call>, or one of Llama's.
bool StreamParser::json(bool final, Events& out) {
  const bool hermes = options_.tools == ToolFormat::hermes;
  const std::size_t white = white_prefix(rest());
  if (white == rest().size() && !final) return false;
  if (white < rest().size() && rest()[white] == '{') {
    scan_.read(rest());
    if (scan_.begun()) return object_call(final, out);
    const std::optional<std::size_t> end = scan_.end();
    if (!hermes && !in_python_ && !end && !final && !may_be_call(rest())) return give_up(0, out), true;
    if (!end && !final) return false;
    std::optional<ToolCall> read = end ? read_json_call(rest().substr(0, *end)) : std::nullopt;
    if (read) {
      const std::string_view behind = hermes ? hermes_end : next_mark;
      const std::size_t gap = white_prefix(rest().substr(*end));
      const std::string_view tail = rest().substr(*end + gap);
      if (tail.size() < behind.size() && agrees(tail, behind) && !final) return false;
      at_ += *end + (tail.starts_with(behind) ? gap + behind.size() : 0);
      emit(*read, out);
      in_python_ = false;
      enter(Part::answer);  // another of Llama's objects is a bare one
      return true;
    }
    if (in_python_) return python(final, out);
    if (!hermes) return give_up(end.value_or(rest().size()), out), true;
  }
  if (in_python_) return python(final, out);
  const std::size_t close = rest().find(hermes_end, searched_);
  if (close == std::string_view::npos && !final) {
    searched_ = rest().size() - std::min(rest().size(), hermes_end.size() - 1);
    return false;
  }
  give_up(std::min(rest().size(), close == std::string_view::npos ? close : close + hermes_end.size()), out);
  return true;
}

// One that is a call: its arguments as they come; up to the end of the object, or of Hermes' mark where a brace is
// missing.
bool StreamParser::object_call(bool final, Events& out) {
  const bool hermes = options_.tools == ToolFormat::hermes;
  if (!open_) begin_call(scan_.name(), {}, out);
  const std::string_view arguments = rest().substr(scan_.arguments(), scan_.arguments_end() - scan_.arguments());
  say_arguments(arguments, out);
  if (!scan_.arguments_done() && !final) return false;
  const std::size_t end = scan_.end().value_or(std::string_view::npos);
  const std::size_t close = hermes && scan_.arguments_done()
                                ? rest().find(hermes_end, std::max(searched_, scan_.arguments_end()))
                                : std::string_view::npos;
  std::size_t size = rest().size();
  if (close < end) {
    size = close + hermes_end.size();
  } else if (end != std::string_view::npos) {
    const std::string_view behind = hermes ? hermes_end : next_mark;
    const std::size_t gap = white_prefix(rest().substr(end));
    const std::string_view tail = rest().substr(end + gap);
    if (tail.size() < behind.size() && agrees(tail, behind) && !final) return false;
    size = end + (tail.starts_with(behind) ? gap + behind.size() : 0);
  } else if (!final) {
    searched_ = rest().size() - std::min(rest().size(), hermes_end.size() - 1);
    return false;
  }
  end_call(arguments, scan_.complete(), out);
  at_ += size;
  in_python_ = false;
  enter(Part::answer);
  return true;
}

// Behind <|python_tag|>, where no object of a call stands: code up to the end of the stream.
bool StreamParser::python(bool final, Events& out) {
  if (!final) return false;
  if (white_prefix(rest()) == rest().size()) return give_up(rest().size(), out), true;
  emit(read_python_call(rest()), out);
  at_ = held_.size();
  in_python_ = false;
  enter(Part::answer);
  return true;
}

void StreamParser::say(std::string_view text, Events& out) {
  if (text.empty()) return;
  const std::size_t white = white_prefix(text);
  if (white == text.size()) {
    space_ += text;
    return;
  }
  std::size_t end = text.size();
  while (is_white(text[end - 1])) --end;
  std::string said = start_ && after_mark_ ? std::string() : std::move(space_);
  if (start_ && after_mark_) text.remove_prefix(white), end -= white;
  said += text.substr(0, end);
  space_ = text.substr(end);
  start_ = false;
  answered_ = answered_ || part_ == Part::answer;
  emit(part_ == Part::thinking ? StreamEvent::Kind::thinking : StreamEvent::Kind::answer, std::move(said), out);
}

void StreamParser::emit(StreamEvent::Kind kind, std::string text, Events& out) {
  if (!out.empty() && out.back().kind == kind) {
    out.back().text += text;
  } else {
    out.push_back({kind, std::move(text), {}});
  }
}

void StreamParser::begin_call(const std::string& name, const std::string& id, Events& out) {
  ToolCall head;
  head.name = name;
  head.id = id;
  head.index = calls_++;
  given_ = 0;
  open_ = head;
  out.push_back({StreamEvent::Kind::call_begin, {}, std::move(head)});
}

void StreamParser::say_arguments(std::string_view so_far, Events& out) {
  if (so_far.size() <= given_) return;
  ToolCall piece;
  piece.index = open_->index;
  piece.arguments = so_far.substr(given_);
  given_ = so_far.size();
  out.push_back({StreamEvent::Kind::call_arguments, {}, std::move(piece)});
}

void StreamParser::end_call(std::string_view arguments, bool complete, Events& out) {
  say_arguments(arguments, out);
  ToolCall call = std::move(*open_);
  open_.reset();
  call.arguments = arguments;
  call.complete = complete;
  out.push_back({StreamEvent::Kind::tool_call, {}, std::move(call)});
}

void StreamParser::emit(const ToolCall& call, Events& out) {
  begin_call(call.name, call.id, out);
  end_call(call.arguments, call.complete, out);
}

}  // namespace limpid
