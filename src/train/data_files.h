// DataFiles: documents from files, one after the other or shuffled, in memory that does not grow with the files.
//
// A file whose name ends in .jsonl has one JSON object a line: {"text": ...}, {"prompt": ..., "completion": ...} or
// {"messages": [{"role": "system" | "user" | "assistant", "content": ...}, ...]}; other keys are passed over, empty lines
// skipped. Any other file is plain UTF-8 text and is given in blocks that end at an empty line where there is one, else
// at a line's end.
//
// Shuffling: the files in an order drawn for each epoch, then the documents of a window (as many as fit into the options'
// limits, across files) in an order drawn for each window. All of it follows from the seed, so a position is small, and
// seeking to it gives the same documents again. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace limpid {

struct Message {
  std::string role, content;
};

// Either text or messages (a prompt and its completion are a user's and an assistant's message).
struct Document {
  std::string text;
  std::vector<Message> messages;
};

struct DataFileOptions {
  std::uint64_t seed = 0;
  bool shuffle = true;
  std::size_t window_documents = 8192;
  std::size_t window_bytes = std::size_t{64} << 20;  // one document more than fits is held at most
  std::size_t line_bytes = std::size_t{16} << 20;    // a longer line of JSON is an error
  std::size_t block_bytes = std::size_t{64} << 10;   // of plain text
};

// Where the next document is: the start of its window and its place in it.
struct DataPosition {
  std::uint64_t epoch = 0;
  std::uint64_t window = 0;  // of the epoch
  std::uint64_t file = 0;    // in the epoch's order
  std::uint64_t offset = 0;  // bytes
  std::uint64_t line = 0;    // lines before it
  std::uint64_t index = 0;   // in the window
  bool operator==(const DataPosition&) const = default;
};

class DataFiles {
 public:
  // Throws Error(input | not_found) when there is no file or one cannot be opened.
  explicit DataFiles(std::vector<std::string> paths, DataFileOptions options = {});
  ~DataFiles();
  DataFiles(DataFiles&&) noexcept;

  // The next document, or nothing at the end of an epoch, once; then the next epoch begins. Throws Error(input) naming
  // file, line and what is wrong with it; the position is then behind that document.
  std::optional<Document> next();

  DataPosition position() const;
  // Throws Error(input) when the position is not in these files.
  void seek(const DataPosition& position);

 private:
  struct Raw {
    std::string bytes;
    std::size_t file;    // in paths_
    std::uint64_t line;  // first line, from 1
  };
  class Reader;

  void order_files();
  void fill_window();
  bool open_next();
  bool read_one(Raw& raw);

  std::vector<std::string> paths_;
  DataFileOptions options_;
  std::vector<std::size_t> order_;  // of the epoch
  DataPosition start_;              // of the window
  std::vector<Raw> window_;
  std::vector<std::size_t> window_order_;
  bool filled_ = false;
  bool any_ = false;        // a document was seen in this epoch
  std::uint64_t file_ = 0;  // being read, in the epoch's order
  std::unique_ptr<Reader> reader_;
};

// One line of JSON as a document; where names it in errors ("data.jsonl:17").
Document parse_document(std::string_view line, const std::string& where);

}  // namespace limpid
