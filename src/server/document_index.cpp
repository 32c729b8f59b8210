#include "server/document_index.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <unordered_map>

#include "base/error.h"
#include "server/document_passages.h"
#include "server/document_tokenizer.h"
#include "server/pdf_text.h"
#include "server/sqlite.h"
#include "text/unicode.h"

namespace limpid {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::uintmax_t kMostBytes = 4 << 20;      // of a file
constexpr std::uintmax_t kMostPdfBytes = 64 << 20;  // it holds pictures, too
constexpr int kMostFiles = 50'000;                  // of a folder
constexpr int kOfOneFile = 3;                       // passages of one file in a result
constexpr std::int64_t kRescanSeconds = 60;

constexpr const char* kSchema = R"(
  CREATE TABLE folders (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
  CREATE TABLE files (id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,
                      modified INTEGER NOT NULL, UNIQUE (folder, path));
  CREATE TABLE passages (id INTEGER PRIMARY KEY, file INTEGER NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL);
  CREATE INDEX passages_of_file ON passages (file);
  CREATE VIRTUAL TABLE words USING fts5 (title, text, content = 'passages', content_rowid = 'id', tokenize = 'limpid');
)";

std::unique_ptr<SqliteConnection> open_index(const std::string& path) {
  auto connection = std::make_unique<SqliteConnection>(path, SqliteOptions{.create = true});
  register_document_tokenizer(connection->handle());
  // It can be made again from the documents: a power cut may cost its last changes, a kill costs nothing.
  connection->script("PRAGMA synchronous=NORMAL");
  return connection;
}

std::int64_t version_of(SqliteConnection& connection) {
  SqliteStatement row = connection.query("PRAGMA user_version");
  return row.step() ? row.integer(0) : 0;
}

// The index holds nothing that cannot be read again, so another version is thrown away.
std::unique_ptr<SqliteConnection> open_writer(const std::string& path) {
  auto connection = open_index(path);
  if (version_of(*connection) == kVersion) return connection;
  if (version_of(*connection) != 0) {
    connection.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix);
    connection = open_index(path);
  }
  connection->script(std::string("BEGIN;") + kSchema + "PRAGMA user_version = " + std::to_string(kVersion) +
                     "; COMMIT;");
  return connection;
}

// Inside a transaction. `words` takes its text from `passages`, so it must hear of a row before the row goes.
void delete_rows(SqliteConnection& connection, std::int64_t file) {
  connection.run(
      "INSERT INTO words (words, rowid, title, text) SELECT 'delete', id, title, text FROM passages WHERE file = ?1",
      file);
  connection.run("DELETE FROM passages WHERE file = ?1", file);
  connection.run("DELETE FROM files WHERE id = ?1", file);
}

std::int64_t steady_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t modified_of(const fs::path& path) {
  return static_cast<std::int64_t>(fs::last_write_time(path).time_since_epoch().count());
}

bool below(const fs::path& path, const fs::path& folder) {
  return std::mismatch(path.begin(), path.end(), folder.begin(), folder.end()).second == folder.end();
}

struct Documents {
  std::vector<fs::path> files;
  std::int64_t unread_pdfs = 0;
};

// Documents below a folder; hidden ones, links and what cannot be read are passed over, PDFs are counted unless they
// are read.
Documents documents_in(const fs::path& folder, bool pdfs) {
  Documents out;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(folder, options), end; at != end; ++at) {
    const std::string file = at->path().filename().string();
    const bool hidden = file.starts_with('.') || file == "node_modules" || file == "__pycache__";
    if (at->is_directory() && !at->is_symlink() && hidden) at.disable_recursion_pending();
    const bool pdf = is_pdf(file);
    if (hidden || at->is_symlink() || !at->is_regular_file() || !(pdf || is_document(file))) continue;
    if (at->file_size() > (pdf ? kMostPdfBytes : kMostBytes)) continue;
    if (pdf && !pdfs) {
      ++out.unread_pdfs;
      continue;
    }
    out.files.push_back(at->path());
    if (out.files.size() > static_cast<std::size_t>(kMostFiles))
      fail(ErrorKind::resources, "{}: more than {} documents; add folders inside it instead", folder.string(),
           kMostFiles);
  }
  return out;
}

}  // namespace

std::string_view name(IndexedFolder::State state) {
  switch (state) {
    case IndexedFolder::State::ready:
      return "ready";
    case IndexedFolder::State::indexing:
      return "indexing";
    case IndexedFolder::State::failed:
      return "failed";
  }
  return "";
}

DocumentIndex::DocumentIndex(std::string database, std::string pdf_program)
    : database_(std::move(database)),
      pdf_program_(std::move(pdf_program)),
      writer_(open_writer(database_)),
      reader_(open_index(database_)) {
  rescan();
  thread_ = std::thread([this] { loop(); });
}

DocumentIndex::~DocumentIndex() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::vector<IndexedFolder> DocumentIndex::folders() const {
  std::vector<IndexedFolder> out;
  {
    const std::lock_guard lock(reader_mutex_);
    SqliteStatement rows = reader_->query(
        "SELECT id, path, (SELECT count(*) FROM files WHERE folder = folders.id),"
        " (SELECT count(*) FROM passages JOIN files ON files.id = passages.file WHERE folder = folders.id)"
        " FROM folders ORDER BY path");
    while (rows.step()) out.push_back({rows.integer(0), rows.text(1), rows.integer(2), rows.integer(3), {}, {}, 0});
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(out, [&](const IndexedFolder& f) {
    return std::find(to_forget_.begin(), to_forget_.end(), f.id) != to_forget_.end();
  });
  for (IndexedFolder& folder : out) {
    if (const auto unread = unread_.find(folder.id); unread != unread_.end()) folder.unread_pdfs = unread->second;
    const bool waits = std::find(to_scan_.begin(), to_scan_.end(), folder.id) != to_scan_.end();
    if (const auto problem = failed_.find(folder.id); problem != failed_.end()) {
      folder.state = IndexedFolder::State::failed;
      folder.error = problem->second;
    } else if (waits || scanning_ == folder.id) {
      folder.state = IndexedFolder::State::indexing;
    }
  }
  return out;
}

IndexedFolder DocumentIndex::add(const std::string& path) {
  if (!fs::path(path).is_absolute())
    fail(ErrorKind::input, "path '{}': expected an absolute path, such as /home/me/notes", path);
  std::error_code error;
  const fs::path folder = fs::canonical(path, error);
  if (error || !fs::is_directory(folder, error)) fail(ErrorKind::not_found, "path '{}': there is no such folder", path);
  for (const IndexedFolder& other : folders())
    if (below(folder, other.path)) fail(ErrorKind::input, "path '{}': {} is indexed already", path, other.path);
  IndexedFolder added;
  added.path = folder.string();
  added.state = IndexedFolder::State::indexing;
  {
    const std::lock_guard lock(reader_mutex_);
    reader_->run("INSERT INTO folders (path) VALUES (?1)", added.path);
    added.id = reader_->last_row();
  }
  {
    const std::lock_guard lock(mutex_);
    to_scan_.push_back(added.id);
  }
  wake_.notify_all();
  return added;
}

void DocumentIndex::remove(std::int64_t id) {
  const std::vector<IndexedFolder> known = folders();
  if (std::none_of(known.begin(), known.end(), [&](const IndexedFolder& f) { return f.id == id; }))
    fail(ErrorKind::not_found, "folder {}: it is not in the index", id);
  {
    const std::lock_guard lock(mutex_);
    std::erase(to_scan_, id);
    to_forget_.push_back(id);
  }
  wake_.notify_all();
}

std::vector<FoundPassage> DocumentIndex::search(std::string_view question, int limit) {
  bool look = false;
  {
    const std::lock_guard lock(mutex_);
    look = steady_seconds() - last_rescan_ > kRescanSeconds;
  }
  if (look) rescan();
  const std::string query = search_query(question);
  std::vector<FoundPassage> out;
  if (query.empty()) return out;
  std::unordered_map<std::int64_t, int> of_file;
  const std::lock_guard lock(reader_mutex_);
  SqliteStatement rows = reader_->query(
      "SELECT passages.id, files.path, folders.path, passages.title, passages.text, -bm25(words, 2.0, 1.0), files.id"
      " FROM words JOIN passages ON passages.id = words.rowid JOIN files ON files.id = passages.file"
      " JOIN folders ON folders.id = files.folder WHERE words MATCH ?1 ORDER BY bm25(words, 2.0, 1.0) LIMIT 200",
      query);
  while (out.size() < static_cast<std::size_t>(limit) && rows.step()) {
    if (++of_file[rows.integer(6)] > kOfOneFile) continue;
    out.push_back({rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.text(4), std::stod(rows.text(5))});
  }
  return out;
}

void DocumentIndex::rescan() {
  std::vector<std::int64_t> all;
  {
    const std::lock_guard lock(reader_mutex_);
    SqliteStatement rows = reader_->query("SELECT id FROM folders");
    while (rows.step()) all.push_back(rows.integer(0));
  }
  {
    const std::lock_guard lock(mutex_);
    last_rescan_ = steady_seconds();
    for (const std::int64_t id : all)
      if (std::find(to_scan_.begin(), to_scan_.end(), id) == to_scan_.end()) to_scan_.push_back(id);
  }
  wake_.notify_all();
}

void DocumentIndex::wait() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return !busy_ && to_scan_.empty() && to_forget_.empty(); });
}

void DocumentIndex::loop() {
  for (;;) {
    std::int64_t scan_id = 0, forget_id = 0;
    {
      std::unique_lock lock(mutex_);
      busy_ = false;
      scanning_ = 0;
      if (to_scan_.empty() && to_forget_.empty()) idle_.notify_all();
      wake_.wait(lock, [&] { return stopping_ || !to_scan_.empty() || !to_forget_.empty(); });
      if (stopping_) return;
      busy_ = true;
      if (!to_forget_.empty()) {
        forget_id = to_forget_.back();
      } else {
        scan_id = scanning_ = to_scan_.front();
        to_scan_.pop_front();
        failed_.erase(scan_id);
      }
    }
    try {
      if (forget_id != 0) forget_folder(forget_id);
      if (scan_id != 0) scan(scan_id);
    } catch (const std::exception& error) {
      const bool stopped = scan_id != 0 && unwanted(scan_id);
      const std::lock_guard lock(mutex_);
      if (!stopped) failed_[scan_id + forget_id] = error.what();
    }
    if (forget_id != 0) {
      const std::lock_guard lock(mutex_);
      std::erase(to_forget_, forget_id);
    }
  }
}

std::map<std::string, DocumentIndex::Seen> DocumentIndex::seen_files(std::int64_t folder) {
  std::map<std::string, Seen> seen;
  SqliteStatement rows = writer_->query("SELECT path, id, size, modified FROM files WHERE folder = ?1", folder);
  while (rows.step()) seen[rows.text(0)] = {rows.integer(1), rows.integer(2), rows.integer(3)};
  return seen;
}

void DocumentIndex::scan(std::int64_t id) {
  fs::path folder;
  {
    SqliteStatement row = writer_->query("SELECT path FROM folders WHERE id = ?1", id);
    if (!row.step()) return;
    folder = row.text(0);
  }
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail(ErrorKind::not_found, "{}: the folder is not there", folder.string());
  std::map<std::string, Seen> seen = seen_files(id);
  const Documents documents = documents_in(folder, !pdf_program_.empty());
  {
    const std::lock_guard lock(mutex_);
    unread_[id] = documents.unread_pdfs;
  }
  for (const fs::path& path : documents.files) {
    if (unwanted(id)) return;
    const std::string relative = path.lexically_relative(folder).string();
    const auto before = seen.find(relative);
    read_file(id, path, relative, before == seen.end() ? nullptr : &before->second);
    if (before != seen.end()) seen.erase(before);
  }
  for (const auto& [path, file] : seen) forget_file(file.file);  // gone from the disk
}

bool DocumentIndex::unwanted(std::int64_t folder) const {
  const std::lock_guard lock(mutex_);
  return stopping_ || std::find(to_forget_.begin(), to_forget_.end(), folder) != to_forget_.end();
}

// Empty where it is no text: the file is known, with nothing to find.
std::string DocumentIndex::text_of(std::int64_t folder, const fs::path& path, std::int64_t size) {
  if (is_pdf(path.filename().string())) {
    PdfTextLimits limits;
    limits.cancelled = [&] { return unwanted(folder); };
    try {
      return pdf_text(pdf_program_, path, limits);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      return {};  // broken, locked or too much
    }
  }
  std::ifstream in(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  in.read(text.data(), size);
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  if (text.find('\0') != std::string::npos) text.clear();
  return text;
}

void DocumentIndex::read_file(std::int64_t folder, const fs::path& path, const std::string& relative,
                              const Seen* before) {
  std::error_code error;
  const auto size = static_cast<std::int64_t>(fs::file_size(path, error));
  if (error) return;  // gone in the meantime
  const std::int64_t modified = modified_of(path);
  if (before != nullptr && before->size == size && before->modified == modified) return;
  const std::string text = to_valid_utf8(text_of(folder, path, size));
  const std::vector<DocumentPassage> passages = is_pdf(relative) ? cut_pages(text) : cut_passages(text);
  writer_->run("BEGIN IMMEDIATE");
  try {
    if (before != nullptr) delete_rows(*writer_, before->file);
    writer_->run("INSERT INTO files (folder, path, size, modified) VALUES (?1, ?2, ?3, ?4)", folder,
                 to_valid_utf8(relative), size, modified);
    const std::int64_t file = writer_->last_row();
    for (const DocumentPassage& passage : passages) {
      writer_->run("INSERT INTO passages (file, title, text) VALUES (?1, ?2, ?3)", file, passage.title, passage.text);
      writer_->run("INSERT INTO words (rowid, title, text) VALUES (?1, ?2, ?3)", writer_->last_row(), passage.title,
                   passage.text);
    }
    writer_->run("COMMIT");
  } catch (...) {
    writer_->script("ROLLBACK");
    throw;
  }
}

void DocumentIndex::forget_file(std::int64_t file) {
  writer_->run("BEGIN IMMEDIATE");
  delete_rows(*writer_, file);
  writer_->run("COMMIT");
}

void DocumentIndex::forget_folder(std::int64_t folder) {
  for (const auto& [path, file] : seen_files(folder)) forget_file(file.file);
  writer_->run("DELETE FROM folders WHERE id = ?1", folder);
}

}  // namespace limpid
