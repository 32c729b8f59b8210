#include "app/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "text/unicode.h"

namespace limpid {

namespace {

constexpr int kLook = 50;        // milliseconds between looks at Ctrl-C
constexpr int kEscapeWait = 30;  // milliseconds in which the rest of a key's sequence comes
constexpr int kHistory = 500;    // lines
constexpr std::string_view kPasteStart = "[200~", kPasteEnd = "\x1b[201~";
constexpr wchar_t kPasteKey = 0x1e;  // Ctrl-^: what libedit is told instead of a paste

}  // namespace

struct LineEditor::State {
  State(Interrupts& asked, bool colour) : interrupts(asked), prompt(colour ? "\1\x1b[1m\1> \1\x1b[0m\1" : "> ") {}
  Interrupts& interrupts;
  std::string prompt;
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string pending;  // bytes read and not yet given to libedit
  std::string pasted;
  bool interrupted = false;

  // At least one byte into pending; false at the end of the input, on Ctrl-C, or when `wait` milliseconds are over.
  bool fill(int wait) {
    for (int waited = 0; wait < 0 || waited < wait; waited += kLook) {
      if (interrupts.count() > seen) {
        interrupted = true;
        return false;
      }
      pollfd input{STDIN_FILENO, POLLIN, 0};
      const int ready = poll(&input, 1, wait < 0 ? kLook : std::min(wait, kLook));
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

  int seen = 0;  // Ctrl-C before this line
};

namespace {

LineEditor::State& state_of(EditLine* editor) {
  void* state = nullptr;
  el_get(editor, EL_CLIENTDATA, &state);
  return *static_cast<LineEditor::State*>(state);
}

int next_character(EditLine* editor, wchar_t* out) { return state_of(editor).next(out); }

unsigned char insert_paste(EditLine* editor, int) {
  return el_insertstr(editor, state_of(editor).pasted.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
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
  std::fputs("\x1b[?2004h", stdout);  // bracketed paste
  std::fflush(stdout);
  if (!start.empty()) {
    state_->pasted = start;
    state_->pending.insert(0, 1, static_cast<char>(kPasteKey));
  }
  int size = 0;
  const char* line = el_gets(state_->editor, &size);
  std::fputs("\x1b[?2004l", stdout);
  if (line == nullptr || size <= 0) std::fputs("\n", stdout);
  std::fflush(stdout);
  if (line == nullptr || size <= 0 || state_->interrupted) return std::nullopt;
  std::string text(line);
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (!text.empty()) history(state_->history, &state_->event, H_ENTER, text.c_str());
  return text;
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
    while (poll(&input, 1, kLook) == 0)
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
