#include "train/data_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "formats/json.h"
#include "text/unicode.h"
#include "train/data_draw.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kFileDomain = 0xFFFE'0000, kWindowDomain = 0xFFFD'0000;

bool is_jsonl(const std::string& path) { return path.ends_with(".jsonl"); }

std::string string_of(const Json& value, const char* key, const std::string& where) {
  if (!value.is_string())
    fail(ErrorKind::input, "{}: \"{}\": expected a string, found {}", where, key, value.type_name());
  return value.get<std::string>();
}

std::vector<Message> messages_of(const Json& value, const std::string& where) {
  if (!value.is_array() || value.empty()) {
    fail(ErrorKind::input, "{}: \"messages\": expected a list of messages, found {}", where,
         value.is_array() ? "an empty one" : value.type_name());
  }
  std::vector<Message> messages;
  for (const Json& item : value) {
    const std::string at = fmt::format("{}: message {}", where, messages.size() + 1);
    if (!item.is_object() || !item.contains("role") || !item.contains("content")) {
      fail(ErrorKind::input, "{}: expected an object with \"role\" and \"content\"", at);
    }
    Message message{string_of(item["role"], "role", at), string_of(item["content"], "content", at)};
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      fail(ErrorKind::input, "{}: role \"{}\": expected system, user or assistant", at, message.role);
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace

Document parse_document(std::string_view line, const std::string& where) {
  const Json root = parse_json(line, where);
  if (!root.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", where, root.type_name());
  const bool text = root.contains("text"), messages = root.contains("messages");
  const bool prompt = root.contains("prompt") || root.contains("completion");
  if (text + messages + prompt != 1) {
    fail(ErrorKind::input, "{}: expected \"text\", \"messages\" or \"prompt\" with \"completion\"; found {}", where,
         text + messages + prompt == 0 ? "none of them" : "several of them");
  }
  Document document;
  if (text) {
    document.text = string_of(root["text"], "text", where);
  } else if (messages) {
    document.messages = messages_of(root["messages"], where);
  } else {
    for (const char* key : {"prompt", "completion"}) {
      if (!root.contains(key)) fail(ErrorKind::input, "{}: \"{}\" is missing", where, key);
    }
    document.messages = {{"user", string_of(root["prompt"], "prompt", where)},
                         {"assistant", string_of(root["completion"], "completion", where)}};
  }
  return document;
}

// Lines of a file from an offset on, a megabyte at a time.
class DataFiles::Reader {
 public:
  Reader(const std::string& path, std::uint64_t offset, std::uint64_t line)
      : path_(path), file_(path, std::ios::binary), offset_(offset), line_(line) {
    if (!file_) fail(ErrorKind::not_found, "open {}: {}", path, std::strerror(errno));
    file_.seekg(static_cast<std::streamoff>(offset));
  }

  // A line with its end, or its first `most` bytes when it is longer (`whole` false). False at the end of the file.
  bool line(std::string& out, std::size_t most, bool& whole) {
    out.clear();
    whole = true;
    while (true) {
      if (at_ == chunk_.size() && !refill()) break;
      const std::size_t room = std::min(most - out.size(), chunk_.size() - at_);
      const char* begin = chunk_.data() + at_;
      const void* end = std::memchr(begin, '\n', room);
      const std::size_t size = end ? static_cast<std::size_t>(static_cast<const char*>(end) - begin) + 1 : room;
      out.append(begin, size);
      at_ += size;
      offset_ += size;
      if (end) {
        ++line_;
        return true;
      }
      if (out.size() == most) {
        whole = false;
        give_back(out);
        return true;
      }
    }
    if (!out.empty()) ++line_;
    return !out.empty();
  }

  // What was read of a line that is not whole comes again.
  void unread(std::string_view text) {
    chunk_ = std::string(text) + chunk_.substr(at_);
    at_ = 0;
    offset_ -= text.size();
  }

  std::uint64_t offset() const { return offset_; }
  std::uint64_t lines() const { return line_; }  // that were read whole
  const std::string& path() const { return path_; }

 private:
  bool refill() {
    chunk_.resize(std::size_t{1} << 20);
    file_.read(chunk_.data(), static_cast<std::streamsize>(chunk_.size()));
    if (file_.bad()) fail(ErrorKind::system, "read {}: {}", path_, std::strerror(errno));
    chunk_.resize(static_cast<std::size_t>(file_.gcount()));
    at_ = 0;
    return !chunk_.empty();
  }

  // A character that was cut in two begins the next piece instead.
  void give_back(std::string& out) {
    for (std::size_t k = 1; k <= 3 && k < out.size(); ++k) {
      const std::string_view tail = std::string_view(out).substr(out.size() - k);
      if ((tail[0] & 0xC0) == 0x80) continue;
      if (utf8_step(tail).state == Utf8State::incomplete) {
        unread(tail);
        out.resize(out.size() - k);
      }
      return;
    }
  }

  std::string path_;
  std::ifstream file_;
  std::string chunk_;
  std::size_t at_ = 0;
  std::uint64_t offset_, line_;
};

DataFiles::DataFiles(std::vector<std::string> paths, DataFileOptions options)
    : paths_(std::move(paths)), options_(options) {
  if (paths_.empty()) fail(ErrorKind::input, "data: no file was given");
  if (options_.window_documents == 0 || options_.block_bytes < 16 || options_.line_bytes < 16) {
    fail(ErrorKind::input, "data: window_documents, block_bytes and line_bytes must be larger");
  }
  for (const std::string& path : paths_) Reader(path, 0, 0);
  order_files();
}

DataFiles::~DataFiles() = default;
DataFiles::DataFiles(DataFiles&&) noexcept = default;

void DataFiles::order_files() {
  order_.resize(paths_.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  if (!options_.shuffle) return;
  Draw draw(options_.seed, start_.epoch, kFileDomain);
  draw.shuffle(order_);
}

bool DataFiles::open_next() {
  if (reader_) ++file_;
  if (file_ >= order_.size()) return false;
  reader_ = std::make_unique<Reader>(paths_[order_[file_]], 0, 0);
  return true;
}

// The next document's bytes of the file that is open; false at its end.
bool DataFiles::read_one(Raw& raw) {
  const std::string& path = reader_->path();
  raw.file = order_[file_];
  raw.line = reader_->lines() + 1;
  raw.bytes.clear();
  std::string line;
  bool whole = true;
  if (is_jsonl(path)) {
    while (reader_->line(line, options_.line_bytes, whole)) {
      if (!whole) fail(ErrorKind::input, "{}:{}: the line has more than {} bytes", path, raw.line, options_.line_bytes);
      if (line.find_first_not_of(" \t\r\n") != std::string::npos) {
        raw.bytes = std::move(line);
        return true;
      }
      raw.line = reader_->lines() + 1;
    }
    return false;
  }
  constexpr std::size_t kCharacter = 4;  // a piece of a line must hold one
  while (raw.bytes.size() + kCharacter <= options_.block_bytes &&
         reader_->line(line, options_.block_bytes - raw.bytes.size(), whole)) {
    if (!whole && !raw.bytes.empty()) {  // the next block begins with this line
      reader_->unread(line);
      break;
    }
    raw.bytes += line;
    const bool blank = line.find_first_not_of(" \t\r\n") == std::string::npos;
    if (!whole || (blank && raw.bytes.size() >= options_.block_bytes / 2)) break;
  }
  return !raw.bytes.empty();
}

void DataFiles::fill_window() {
  window_.clear();
  std::size_t bytes = 0;
  if (!reader_) {
    file_ = start_.file;
    if (file_ < order_.size()) reader_ = std::make_unique<Reader>(paths_[order_[file_]], start_.offset, start_.line);
  }
  while (reader_ && window_.size() < options_.window_documents && bytes < options_.window_bytes) {
    Raw raw;
    if (!read_one(raw)) {
      if (!open_next()) {
        reader_.reset();
        break;
      }
      continue;
    }
    bytes += raw.bytes.size();
    window_.push_back(std::move(raw));
  }
  window_order_.resize(window_.size());
  std::iota(window_order_.begin(), window_order_.end(), std::size_t{0});
  if (options_.shuffle) {
    Draw draw(options_.seed, start_.epoch << 32 | start_.window, kWindowDomain);
    draw.shuffle(window_order_);
  }
  filled_ = true;
}

std::optional<Document> DataFiles::next() {
  if (!filled_) fill_window();
  if (start_.index == window_.size()) {
    // The window is used up: the next one begins where reading stands, or the epoch is over.
    const bool more = reader_ != nullptr && !window_.empty();
    if (more) {
      start_ = {start_.epoch, start_.window + 1, file_, reader_->offset(), reader_->lines(), 0};
      fill_window();
    }
    if (!more || window_.empty()) {
      if (!any_)
        fail(ErrorKind::input, "{}{}: no document in it", paths_[0], paths_.size() > 1 ? " and the other files" : "");
      start_ = {start_.epoch + 1, 0, 0, 0, 0, 0};
      reader_.reset();
      filled_ = any_ = false;
      order_files();
      return std::nullopt;
    }
  }
  any_ = true;
  const Raw& raw = window_[window_order_[start_.index++]];
  const std::string& path = paths_[raw.file];
  if (is_jsonl(path)) return parse_document(raw.bytes, fmt::format("{}:{}", path, raw.line));
  const std::size_t valid = valid_utf8_prefix(raw.bytes);
  if (valid != raw.bytes.size()) {
    const auto lines = std::count(raw.bytes.begin(), raw.bytes.begin() + static_cast<std::ptrdiff_t>(valid), '\n');
    fail(ErrorKind::input, "{}:{}: bytes that are no UTF-8", path, raw.line + static_cast<std::uint64_t>(lines));
  }
  return Document{raw.bytes, {}};
}

DataPosition DataFiles::position() const { return start_; }

void DataFiles::seek(const DataPosition& position) {
  if (position.file > paths_.size()) {
    fail(ErrorKind::input, "data: the position is in file {}, there are {}", position.file + 1, paths_.size());
  }
  start_ = position;
  reader_.reset();
  order_files();
  fill_window();
  any_ = position.window > 0 || position.index > 0;
  if (position.index > window_.size()) {
    fail(ErrorKind::input, "data: the position is document {} of its window, which has {}: the files have changed",
         position.index, window_.size());
  }
}

}  // namespace limpid
