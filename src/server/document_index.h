// DocumentIndex: folders of this machine that answers may cite, cut into passages and found by words (SQLite's FTS5).
// Text files, and PDF where the machine has pdftotext; hidden ones, links and files over 4 MB (PDF: 64) are left out. What changed on disk is read again: when the
// index is opened, and at most once a minute when somebody searches. Nothing of it is shared: it is for the person
// whose machine this is, and a server with accounts has none.
//
// From any thread. One thread of its own reads files and writes; it sleeps when there is nothing to do.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace limpid {

class SqliteConnection;

struct IndexedFolder {
  enum class State { ready, indexing, failed };
  std::int64_t id = 0;
  std::string path;
  std::int64_t files = 0, passages = 0;
  State state = State::ready;
  std::string error;
  std::int64_t unread_pdfs = 0;  // left out because nothing here reads them
};
std::string_view name(IndexedFolder::State state);

struct FoundPassage {
  std::int64_t id = 0;
  std::string file;  // relative to its folder
  std::string folder;
  std::string title, text;
  double score = 0;  // larger is better (BM25)
};

class DocumentIndex {
 public:
  // `database` is made where it is not there; an index of another version is made anew. `pdf_program`: the path of
  // pdftotext (pdf_text.h); empty: PDFs are left out. Throws Error.
  explicit DocumentIndex(std::string database, std::string pdf_program = {});
  ~DocumentIndex();
  DocumentIndex(const DocumentIndex&) = delete;
  DocumentIndex& operator=(const DocumentIndex&) = delete;

  std::vector<IndexedFolder> folders() const;
  // Throws Error(input) for a path that is not absolute, no folder, or covered by one that is indexed already.
  IndexedFolder add(const std::string& path);
  void remove(std::int64_t id);  // Error(not_found)

  // The passages that match the question best, at most `limit`, and at most three of one file.
  std::vector<FoundPassage> search(std::string_view question, int limit);

  void rescan();  // looks for changes in every folder
  void wait();    // until the thread has nothing to do (tests)

 private:
  struct Seen {
    std::int64_t file = 0, size = 0, modified = 0;
  };
  void loop();
  void scan(std::int64_t folder);
  std::map<std::string, Seen> seen_files(std::int64_t folder);
  std::string text_of(std::int64_t folder, const std::filesystem::path& path, std::int64_t size);
  bool unwanted(std::int64_t folder) const;  // it is to be forgotten, or the index ends
  void read_file(std::int64_t folder, const std::filesystem::path& path, const std::string& relative,
                 const Seen* before);
  void forget_file(std::int64_t file);
  void forget_folder(std::int64_t folder);

  const std::string database_, pdf_program_;
  std::unique_ptr<SqliteConnection> writer_;  // the thread's
  mutable std::mutex reader_mutex_;
  std::unique_ptr<SqliteConnection> reader_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_, idle_;
  std::deque<std::int64_t> to_scan_;
  std::vector<std::int64_t> to_forget_;
  std::map<std::int64_t, std::string> failed_;
  std::map<std::int64_t, std::int64_t> unread_;  // PDFs of a folder
  std::int64_t scanning_ = 0;                    // id of the folder; 0: none
  bool busy_ = false, stopping_ = false;
  std::int64_t last_rescan_ = 0;  // seconds of a steady clock
  std::thread thread_;
};

}  // namespace limpid
