#include "app/chat_menu.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "app/bandwidth.h"
#include "app/built_in.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/interrupt.h"
#include "app/model_choice.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/pull.h"
#include "app/settings.h"
#include "app/style.h"
#include "engine/memory_plan.h"
#include "hub/files.h"

namespace limpid {

namespace {

constexpr int kPoll = 100;     // ms, between looks at the signals
constexpr int kSequence = 50;  // ms, in which the rest of a key's escape sequence comes
constexpr char kEscape = 27, kEndOfInput = 4;
constexpr int kMostChoices = 9;  // one digit each

// One key at a time, not shown; the terminal is as it was afterwards.
class Keys {
 public:
  Keys() {
    tcgetattr(STDIN_FILENO, &before_);
    termios mode = before_;
    mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
    mode.c_lflag |= ISIG;
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
  }
  ~Keys() { tcsetattr(STDIN_FILENO, TCSADRAIN, &before_); }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // Nothing: the end of the input, or a signal.
  std::optional<char> next(Interrupts& interrupts) {
    while (!interrupts.requested()) {
      if (!waits(kPoll)) continue;
      char key = 0;
      if (read(STDIN_FILENO, &key, 1) != 1) return std::nullopt;
      if (key != kEscape || !waits(kSequence)) return key;
      // An arrow or the like, no key of the menu's: ESC [ ... and a last byte from @ on, or ESC and one more.
      char next = 0;
      bool sequence = false;
      do {
        if (read(STDIN_FILENO, &next, 1) != 1) return std::nullopt;
        if (!sequence && next != '[' && next != 'O') break;
        if (std::exchange(sequence, true) && next >= '@' && next <= '~') break;
      } while (waits(kSequence));
    }
    return std::nullopt;
  }

 private:
  static bool waits(int milliseconds) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return poll(&input, 1, milliseconds) > 0;
  }
  termios before_{};
};

struct Entry {
  std::string name;  // of the model
  std::string head, facts;
  std::vector<std::string> lines;
  bool fetch = false;
};

std::string speed(double tokens) { return fmt::format("about {:.{}f} tokens/s", tokens, tokens < 10 ? 1 : 0); }

Entry entry_of(const ModelChoice& choice, bool best) {
  const std::string size = (choice.exact ? "" : "~") + human_bytes(choice.bytes);
  Entry entry;
  entry.name = choice.name;
  entry.head = choice.title;
  entry.facts = fmt::format("{} {}, {}", size, choice.here ? "here" : "to fetch", speed(choice.tokens_per_second));
  if (best) entry.lines.emplace_back("the best for this machine");
  entry.lines.push_back(fmt::format("{}; AIME {:.0f} %", choice.good_at, choice.aime));
  entry.fetch = !choice.here;
  return entry;
}

class Menu {
 public:
  explicit Menu(const Context& context) : context_(context), style_(STDOUT_FILENO) {}

  std::optional<std::string> run() {
    look();
    for (;;) {
      const Entry* chosen = ask();
      if (chosen == nullptr) return std::nullopt;
      if (take(*chosen)) return name_;
    }
  }

 private:
  // What this machine has. Measuring takes a second.
  void look() {
    print("{}", style_.dim("Looking at this machine ..."));
    flush_out();
    const Store store = open_store();
    const AvailableMemory memory = available_memory();
    facts_ = {memory.bytes, free_disk(store.root()), memory_bandwidth(context_.threads(), memory.bytes)};
    print("\r{}", style_.colour() ? "\x1b[K" : "\n");
    if (built_in_bytes() > 0)
      entries_.push_back({std::string(kBuiltInName),
                          std::string(kBuiltInName),
                          "here, starts at once",
                          {"made by this program from nothing: sums, counting, order, logic; in English",
                           "and Chinese. It knows nothing of the world and writes no letters.",
                           fmt::format("try: {}  {}", kBuiltInExamples[0], kBuiltInExamples[1])},
                          false});
    std::vector<std::string> here;
    for (const StoredModel& model : store.list()) here.push_back(model.name);
    const std::vector<ModelChoice> choices = choose_models(Catalogue::built_in(), here, facts_);
    for (std::size_t i = 0; i < choices.size(); ++i)
      if (choices[i].here || !context_.options.offline) entries_.push_back(entry_of(choices[i], i == 0));
    for (const std::string& name : here) {
      const bool listed = std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.name == name; });
      if (!listed && entries_.size() < kMostChoices) entries_.push_back({name, visible(name), "here", {}, false});
    }
    if (entries_.empty() && context_.options.offline)
      fail(ErrorKind::input, "no model is here, and --offline fetches none; without it the menu offers some");
    if (entries_.empty())
      fail(ErrorKind::resources, "no model is here, and none of the catalogue fits into {} of memory and {} of disk",
           human_bytes(facts_.memory), human_bytes(facts_.disk));
  }

  void show() const {
    print("Which model do you want to talk to?\n{}\n\n",
          style_.dim(fmt::format("Free here: {} of memory, {} of disk; memory is read at {}/s.",
                                 human_bytes(facts_.memory), human_bytes(facts_.disk),
                                 human_bytes(static_cast<std::uint64_t>(facts_.bandwidth)))));
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      print("  {}  {}  {}\n", style_.bold(std::to_string(i + 1)), style_.bold(entry.head), entry.facts);
      for (const std::string& line : entry.lines) print("     {}\n", style_.dim(line));
    }
    print("\nA number (Enter: 1), or q to leave; `limpid chat --menu` asks again: ");
    flush_out();
  }

  // Null: leave.
  const Entry* ask() {
    Interrupts interrupts;
    Keys keys;  // before the menu is seen: what is typed at once is a key too
    show();
    while (const std::optional<char> key = keys.next(interrupts)) {
      if (*key == 'q' || *key == 'Q' || *key == kEscape || *key == kEndOfInput) break;
      const std::size_t number = *key == '\r' || *key == '\n' ? 1 : static_cast<std::size_t>(*key - '0');
      if (number < 1 || number > entries_.size()) continue;
      print("{}\n", number);
      return &entries_[number - 1];
    }
    print("\n");
    flush_out();
    return nullptr;
  }

  // Fetched and remembered. False: the menu again, after what went wrong was said.
  bool take(const Entry& entry) {
    name_ = entry.name;
    try {
      if (entry.fetch) pull_model(entry.name, true, context_);
    } catch (const Error& error) {
      print("{}\n\n", visible(error.what()));
      return false;
    }
    try {
      Settings settings = read_settings();
      settings.chat_model = name_;
      write_settings(settings);
    } catch (const Error& error) {  // it works without a memory
      print("{}\n", style_.dim(fmt::format("the choice is not remembered: {}", error.what())));
    }
    return true;
  }

  const Context& context_;
  const Style style_;
  MachineFacts facts_;
  std::vector<Entry> entries_;
  std::string name_;
};

bool is_there(const std::string& model) {
  try {
    if (!means_built_in(model)) resolve_model(model);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// What was chosen before and is still there.
std::string remembered() {
  try {
    const std::string model = read_settings().chat_model;
    if (model.empty() || is_there(model)) return model;
    std::fprintf(stderr, "limpid: %s was chosen before and is not here any more\n", visible(model).c_str());
  } catch (const Error& error) {
    std::fprintf(stderr, "limpid: %s\n", visible(error.what()).c_str());
  }
  return "";
}

}  // namespace

std::optional<std::string> choose_chat_model(bool menu, const Context& context) {
  const bool terminal = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
  if (menu && !terminal) fail(ErrorKind::input, "chat: --menu needs a terminal to ask at");
  if (!menu)
    if (const std::string model = remembered(); !model.empty()) return model;
  if (terminal) return Menu(context).run();
  if (built_in_bytes() > 0) return std::string(kBuiltInName);
  const std::vector<StoredModel> models = open_store().list();
  if (models.size() == 1) return models.front().name;
  if (models.empty())
    fail(ErrorKind::input, "chat: no model named and none in the store; `make chat` or `limpid pull NAME` gets one");
  std::string names;
  for (const StoredModel& model : models) names += (names.empty() ? "" : ", ") + model.name;
  fail(ErrorKind::input, "chat: name one of the models in the store: {}", names);
}

}  // namespace limpid
