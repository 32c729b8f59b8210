#include "app/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <string_view>
#include <utility>

#include "app/terminal.h"
#include "base/error.h"
#include "text/unicode.h"

namespace limpid {

namespace {

constexpr int kLookMilliseconds = 50;             // milliseconds between looks at Ctrl-C
constexpr int kEscapeWait = 30;                   // milliseconds in which the rest of a key's sequence comes
constexpr int kHistory = 500;                     // lines
constexpr std::chrono::milliseconds kGrace{300};  // a Ctrl-C so soon after a prompt was meant for the answer before it
constexpr char kToggle = 0x14;                    // Ctrl-T
constexpr std::string_view kPasteStart = "[200~", kPasteEnd = "\x1b[201~";
constexpr int kPromptColumns = 2;
constexpr wchar_t kPasteKey = 0x1e;  // Ctrl-^: what libedit is told instead of a paste

}  // namespace

struct LineEditor::State {
  State(Interrupts& asked, bool colour) : interrupts(asked), prompt(colour ? "\1\x1b[1m\1>\1\x1b[0m\1 " : "> ") {}
  Interrupts& interrupts;
  Terminal terminal;
  std::string prompt;
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string pending;  // bytes read and not yet given to libedit
  std::string pasted;
  std::vector<std::string> words;  // that Tab completes
  bool interrupted = false;

  // At least one byte into pending; false at the end of the input, on Ctrl-C, or when `wait` milliseconds are over.
  bool fill(int wait) {
    for (int waited = 0; wait < 0 || waited < wait; waited += kLookMilliseconds) {
      if (interrupted = asked_to_leave(); interrupted) return false;
      if (terminal.stopped()) el_set(editor, EL_REFRESH);
      if (terminal.resized()) redraw();
      pollfd input{STDIN_FILENO, POLLIN, 0};
      const int ready = poll(&input, 1, wait < 0 ? kLookMilliseconds : std::min(wait, kLookMilliseconds));
      if (ready < 0 && errno != EINTR) return false;
      if (ready <= 0) continue;
      std::array<char, 4096> bytes;
      const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
      if (n <= 0) return false;
      pending.append(bytes.data(), static_cast<std::size_t>(n));
      return true;
    }
    return false;
  }

  bool asked_to_leave() {
    const int now = interrupts.count();
    if (now == seen) return false;
    if (!interrupts.ended() && std::chrono::steady_clock::now() < began + kGrace) {
      seen = now;
      return false;
    }
    return true;
  }

  // Where the cursor is after text behind the prompt. libedit never leaves it behind a full row.
  static Spot behind_prompt(std::string_view text, int columns) {
    const Spot spot = walk(text, columns, {0, kPromptColumns});
    return spot.column == columns ? Spot{spot.row + 1, 0} : spot;
  }

  // After the window changed: terminals wrap what they show anew, so the line is drawn again from where it begins now.
  void redraw() {
    const LineInfo* line = el_line(editor);
    const std::string text(line->buffer, line->lastchar);
    const WindowSize window = window_size();
    const Spot cursor =
        behind_prompt({text.data(), static_cast<std::size_t>(line->cursor - line->buffer)}, window.columns);
    const auto to_start = [&] {
      if (cursor.row > 0) std::fprintf(stdout, "\x1b[%dA", cursor.row);
      std::fputc('\r', stdout);
    };
    to_start();
    std::fputs("\x1b[J", stdout);
    std::fflush(stdout);
    el_resize(editor);
    el_set(editor, EL_REFRESH);
    // libedit ends rows with line ends of its own. Written once more as one text, the terminal knows that the rows
    // belong together, and the next change of the window finds them so.
    const Spot end = behind_prompt(text, window.columns);
    if (end.row == 0 || end.row >= window.rows || std::ranges::any_of(text, [](char c) { return c == 0x1b; })) return;
    to_start();
    std::fprintf(stdout, "\x1b[%dC%s%s", kPromptColumns, text.c_str(), end.column == 0 ? " \b" : "");
    if (end.row > cursor.row) std::fprintf(stdout, "\x1b[%dA", end.row - cursor.row);
    std::fputc('\r', stdout);
    if (cursor.column > 0) std::fprintf(stdout, "\x1b[%dC", cursor.column);
    std::fflush(stdout);
  }

  // The next character for libedit: 1, 0 at the end, -1 on Ctrl-C.
  int next(wchar_t* out) {
    if (pending.empty() && !fill(-1)) return interrupted ? -1 : 0;
    if (pending[0] == '\x1b') {
      while (pending.size() < 1 + kPasteStart.size() && kPasteStart.starts_with(std::string_view(pending).substr(1)))
        if (!fill(kEscapeWait)) break;
      if (std::string_view(pending).substr(1).starts_with(kPasteStart)) return paste(out);
    }
    if (pending[0] == 0x04 || pending[0] >= 0) return take(1, static_cast<unsigned char>(pending[0]), out);
    Utf8Step step = utf8_step(pending);
    while (step.state == Utf8State::incomplete && fill(kEscapeWait)) step = utf8_step(pending);
    return take(std::max<std::size_t>(step.size, 1),
                step.state == Utf8State::valid ? decode_valid(pending.data()).c : U'\uFFFD', out);
  }

  int take(std::size_t size, char32_t c, wchar_t* out) {
    *out = static_cast<wchar_t>(c);
    pending.erase(0, size);
    return 1;
  }

  int paste(wchar_t* out) {
    pending.erase(0, 1 + kPasteStart.size());
    std::size_t end;
    while ((end = pending.find(kPasteEnd)) == std::string::npos)
      if (!fill(-1)) return interrupted ? -1 : 0;
    pasted = to_valid_utf8(std::string_view(pending).substr(0, end));
    pending.erase(0, end + kPasteEnd.size());
    for (char& c : pasted) c = c == '\r' ? '\n' : c;  // terminals send line ends as the Enter key does
    while (pasted.ends_with('\n')) pasted.pop_back();
    *out = kPasteKey;
    return 1;
  }

  int seen = 0;                                   // Ctrl-C before this line
  std::chrono::steady_clock::time_point began{};  // this line
};

namespace {

LineEditor::State& state_of(EditLine* editor) {
  void* state = nullptr;
  el_get(editor, EL_CLIENTDATA, &state);
  return *static_cast<LineEditor::State*>(state);
}

int next_character(EditLine* editor, wchar_t* out) { return state_of(editor).next(out); }

unsigned char insert_paste(EditLine* editor, int) {
  const std::string text = std::exchange(state_of(editor).pasted, {});
  return el_insertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

unsigned char insert_line_end(EditLine* editor, int) { return el_insertstr(editor, "\n") == 0 ? CC_REFRESH : CC_ERROR; }

// As far as all words agree that begin like the line; a space behind the only one.
unsigned char complete_word(EditLine* editor, int) {
  const LineInfo* line = el_line(editor);
  const std::string_view typed(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
  std::optional<std::string> common;
  int found = 0;
  for (const std::string& word : state_of(editor).words) {
    if (typed.empty() || !word.starts_with(typed)) continue;
    if (++found == 1) common = word;
    common->resize(static_cast<std::size_t>(std::ranges::mismatch(*common, word).in1 - common->begin()));
  }
  if (found == 0) return CC_ERROR;
  const std::string rest = common->substr(typed.size()) + (found == 1 ? " " : "");
  return !rest.empty() && el_insertstr(editor, rest.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

char* prompt(EditLine* editor) { return state_of(editor).prompt.data(); }

}  // namespace

LineEditor::LineEditor(Interrupts& interrupts, bool colour) : interrupts_(interrupts) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return;
  // Wide characters need a locale that knows them; only the type of characters is taken from it, so that numbers stay
  // as they are everywhere else.
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  state_ = std::make_unique<State>(interrupts, colour);
  state_->editor = el_init("limpid", stdin, stdout, stderr);
  if (state_->editor == nullptr) {
    state_.reset();
    return;
  }
  EditLine* editor = state_->editor;
  el_set(editor, EL_CLIENTDATA, state_.get());
  el_set(editor, EL_PROMPT_ESC, &prompt, '\1');
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_SIGNAL, 0);
  el_set(editor, EL_GETCFN, &next_character);
  el_set(editor, EL_ADDFN, "limpid-paste", "Insert what was pasted", &insert_paste);
  el_set(editor, EL_BIND, "^^", "limpid-paste", nullptr);
  el_set(editor, EL_ADDFN, "limpid-line-end", "Begin another line of the same message", &insert_line_end);
  el_set(editor, EL_BIND, "\\e^M", "limpid-line-end", nullptr);
  el_set(editor, EL_BIND, "\\e^J", "limpid-line-end", nullptr);
  el_set(editor, EL_ADDFN, "limpid-complete", "Complete a command", &complete_word);
  el_set(editor, EL_BIND, "^I", "limpid-complete", nullptr);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_set(editor, EL_BIND, "^W", "ed-delete-prev-word", nullptr);
  state_->history = history_init();
  history(state_->history, &state_->event, H_SETSIZE, kHistory);
  history(state_->history, &state_->event, H_SETUNIQUE, 1);
  el_set(editor, EL_HIST, &history, state_->history);
}

LineEditor::~LineEditor() {
  if (state_ == nullptr) return;
  history_end(state_->history);
  el_end(state_->editor);
}

std::optional<std::string> LineEditor::read(const std::string& start) {
  if (state_ == nullptr) return read_plain();
  state_->seen = interrupts_.count();
  state_->interrupted = false;
  state_->began = std::chrono::steady_clock::now();
  if (state_->terminal.resized()) el_resize(state_->editor);
  std::fflush(stdout);
  if (!start.empty()) {
    state_->pasted = start;
    state_->pending.insert(0, 1, static_cast<char>(kPasteKey));
  }
  int size = 0;
  const char* line = el_gets(state_->editor, &size);
  state_->terminal.quiet();
  if (line == nullptr || size <= 0) std::fputs("\n", stdout);
  std::fflush(stdout);
  if (line == nullptr || size <= 0 || state_->interrupted) return std::nullopt;
  std::string text(line);
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (!text.empty()) history(state_->history, &state_->event, H_ENTER, text.c_str());
  return text;
}

void LineEditor::complete(std::vector<std::string> words) {
  if (state_ != nullptr) state_->words = std::move(words);
}

bool LineEditor::collect() {
  if (state_ == nullptr) return false;
  state_->terminal.stopped();
  bool toggled = false;
  pollfd input{STDIN_FILENO, POLLIN, 0};
  std::array<char, 4096> bytes;
  while (poll(&input, 1, 0) > 0) {
    const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n <= 0) break;
    if (n == 1 && bytes[0] == kToggle)
      toggled = !toggled;
    else
      state_->pending.append(bytes.data(), static_cast<std::size_t>(n));
  }
  return toggled;
}

std::optional<std::string> LineEditor::read_plain() {
  while (true) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    const int seen = interrupts_.count();
    pollfd input{STDIN_FILENO, POLLIN, 0};
    while (poll(&input, 1, kLookMilliseconds) == 0)
      if (interrupts_.count() > seen) return std::nullopt;
    std::array<char, 65536> bytes;
    const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno("read", "standard input");
    if (n == 0 && buffer_.empty()) return std::nullopt;
    if (n == 0) return std::exchange(buffer_, {});  // a last line without an end
    buffer_.append(bytes.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace limpid
