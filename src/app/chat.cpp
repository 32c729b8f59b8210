// limpid chat: a conversation in the terminal; from a pipe, one answer for each line.
#include <unistd.h>

#include <charconv>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "app/bandwidth.h"
#include "app/built_in.h"
#include "app/chat_menu.h"
#include "app/chat_screen.h"
#include "app/commands.h"
#include "app/conversation.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/line_editor.h"
#include "app/model_facts.h"
#include "app/model_text.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/session.h"

namespace limpid {

namespace {

constexpr int kAlternatives = 4;  // shown by /tokens

double rate(const Usage& usage) {  // tokens a second of the decoding
  return usage.decode_seconds > 0 && usage.completion_tokens > 1 ? (usage.completion_tokens - 1) / usage.decode_seconds
                                                                 : 0.0;
}

constexpr const char* kHelp =
    R"(/system [TEXT]         show, set, or with - remove what the model is told first
/think [auto|on|off]   whether it thinks
/think hide|show|edit  its thinking: hidden; shown (the last one again);
                       changed by you, and it goes on from there
/budget [N|off]        tokens of thinking, after which it must answer
/retry                 another answer to the last message
/edit [TEXT]           change the last message and ask again
/undo                  forget the last message and its answer
/save FILE, /load FILE the conversation as JSON
/tokens [N]            the (last N) tokens of the last answer: how likely each was,
                       and what else it could have been
/stats                 what the last answer and the engine did
/model [NAME]          show the model, or go on with another one
/help                  this;  a message that begins with / is written with //
/quit                  leave, as Ctrl-D does
Ctrl-C                 once: stop thinking and answer; again: stop; here: leave
Ctrl-T                 while it thinks: hide or show the thinking
Alt-Enter              another line of the same message (pasted lines are one)
)";

struct ChatArguments {
  std::string model, system;
  bool menu = false;
};

class Chat {
 public:
  Chat(const ChatArguments& arguments, const Context& context)
      : context_(context),
        editor_(interrupts_, Style(STDOUT_FILENO).colour()),
        screen_(editor_.terminal()),
        model_(arguments.model) {
    conversation_.system = arguments.system;
    editor_.complete({"/budget", "/edit", "/help", "/load", "/model", "/quit", "/retry", "/save", "/stats", "/system",
                      "/think", "/tokens", "/undo"});
    open(model_);
  }

  int run() {
    while (const std::optional<std::string> line = editor_.read(std::exchange(start_, {}))) {
      try {
        if (line->empty()) continue;
        const bool escaped = line->starts_with("//"), message = escaped || !line->starts_with('/');
        // From a pipe one message too many is the last, unless a command makes room behind it.
        if (message && full_ && !screen_.decorated()) break;
        if (message)
          ask(escaped ? line->substr(1) : *line);
        else
          command(*line);
      } catch (const Error& error) {
        screen_.complain(error.what());
        failed_ = true;
      }
      if (leaving_) break;
    }
    return failed_ && !screen_.decorated() ? 1 : 0;
  }

 private:
  void open(const std::string& model) {
    auto session = std::make_unique<Session>(model, context_, interrupts_);
    session_ = std::move(session);
    say_if_no_template(session_->files().chat_template());
    model_ = model;
    sampling_ = session_->sampling(context_.options);
    screen_.say(fmt::format("{}, {} tokens of context; /help shows what can be done", visible(session_->name()),
                            session_->plan().context));
    alone_ = session_->files().checkpoint() != nullptr && session_->files().checkpoint()->in_memory();
    if (alone_ && screen_.decorated()) screen_.say(built_in_introduction(count_model(session_->files()).parameters));
  }

  // Another model in the place of this one. What cannot fit even in the memory that this one holds is refused before it
  // goes; where loading fails then, this one comes back.
  void change_model(const std::string& model) {
    Session::check(model, context_, session_->plan().needed);
    session_.reset();
    try {
      open(model);
    } catch (...) {
      try {
        open(model_);
      } catch (const Error&) {
        leaving_ = true;  // there is nobody to talk to any more
        throw;
      }
      throw;
    }
  }

  void ask(std::string text) {
    conversation_.turns.push_back({std::move(text), {}, {}, false});
    answer_last(std::nullopt);
  }

  // before: the last turn as it was, which comes back where this fails; nothing: then it goes. thinking: the beginning
  // of it, which the model goes on with.
  void answer_last(std::optional<ChatTurn> before, const std::string& thinking = {}) {
    try {
      try_answer(thinking);
    } catch (const Error&) {
      if (before && before->user == conversation_.turns.back().user)
        conversation_.turns.back() = std::move(*before);
      else
        take_back(std::move(before));
      if (full_) start_.clear();  // the prompt is for /undo; the message is in the history
      throw;
    }
  }

  void try_answer(const std::string& thinking) {
    ChatTurn& turn = conversation_.turns.back();
    turn.answered = false;
    ChatRequest request;
    request.prompt.messages = alone_ ? conversation_.last_messages() : conversation_.messages();
    request.prompt.thinking = thinking_of(context_.options.think);
    if (context_.options.budget)
      request.thinking_budget =
          static_cast<int>(std::min<std::int64_t>(*context_.options.budget, std::numeric_limits<int>::max()));
    if (!thinking.empty()) request.prompt.start = AnswerStart{thinking, false, {}};
    request.sampling = sampling_;
    request.sampling.sequence = answers_++;
    request.warm_next = !alone_;
    if (screen_.decorated()) request.sampling.logprobs = kAlternatives;
    check_room(request);
    screen_.begin();
    last_ = follow_answer(
        session_->chat(), std::move(request), interrupts_, [&](const ChatEvent& event) { screen_.event(event); },
        [&] {
          if (editor_.collect()) screen_.toggle();
        });
    screen_.end(last_, session_->plan().context);
    if (last_.result.finish == ChatFinish::error) fail(ErrorKind::system, "{}", last_.result.error);
    last_.thinking.insert(0, thinking);
    turn.answer = last_.answer;
    turn.thinking = last_.thinking;
    turn.answered = true;
    // Into a pipe nobody can say "again": a Ctrl-C ends it all.
    if (last_.result.finish == ChatFinish::cancelled && !screen_.decorated()) leaving_ = failed_ = true;
    if (interrupts_.ended()) leaving_ = true;
  }

  // A conversation that is too long says how it can go on.
  void check_room(const ChatRequest& request) {
    full_ = false;
    const std::size_t tokens = session_->chat().prompt(request).ids.size();
    const int context = session_->plan().context, most = session_->files().config().context;
    full_ = tokens >= static_cast<std::size_t>(context);
    if (!full_) return;
    const bool others = conversation_.turns.size() > 1 && !alone_;  // besides this message: what /undo can forget
    std::string advice = others ? ": /undo forgets the last message and its answer" : "";
    if (context < most)
      advice += fmt::format("{} `limpid chat -c N` has room for up to {}{}", others ? ";" : ":", most,
                            others ? ", /save and /load take this along" : "");
    fail(ErrorKind::input, "{} tokens leave no room for an answer in a context of {}{}", tokens, context, advice);
  }

  void command(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::string verb = line.substr(0, space);
    std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    while (rest.starts_with(' ')) rest.erase(0, 1);
    while (rest.ends_with(' ')) rest.pop_back();
    if (verb == "/help")
      write_out(kHelp);
    else if (verb == "/system")
      set_system(rest);
    else if (verb == "/think")
      set_think(rest);
    else if (verb == "/budget")
      set_budget(rest);
    else if (verb == "/retry")
      need_turn(), answer_last(conversation_.turns.back());
    else if (verb == "/edit")
      edit(rest);
    else if (verb == "/undo")
      undo();
    else if (verb == "/save")
      conversation_.save(need(rest, "/save FILE"), session_->name()), screen_.say("saved");
    else if (verb == "/load")
      load(need(rest, "/load FILE"));
    else if (verb == "/stats")
      stats();
    else if (verb == "/tokens")
      tokens(rest);
    else if (verb == "/model")
      rest.empty() ? print("{} ({})\n", visible(session_->name()), visible(session_->files().path()))
                   : change_model(rest);
    else if (verb == "/quit" || verb == "/exit")
      leaving_ = true;
    else
      fail(ErrorKind::input, "{}: no such command; /help lists them, // begins a message with /", verb);
    if (verb == "/undo" || verb == "/load" || verb == "/system" || verb == "/model") full_ = false;
    flush_out();
  }

  static const std::string& need(const std::string& rest, const char* usage) {
    if (rest.empty()) fail(ErrorKind::input, "usage: {}", usage);
    return rest;
  }

  void need_turn() const {
    if (conversation_.turns.empty()) fail(ErrorKind::input, "nothing was said yet");
  }

  static int number(const std::string& text, const char* usage) {
    int n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || n < 0) fail(ErrorKind::input, "usage: {}", usage);
    return n;
  }

  void set_system(const std::string& text) {
    if (text.empty())
      print("{}\n", conversation_.system.empty() ? "(nothing; the model's template may say something)"
                                                 : for_stream(STDOUT_FILENO, conversation_.system));
    else
      conversation_.system = text == "-" ? "" : text;
  }

  void set_think(const std::string& words) {
    const std::string word = words.substr(0, words.find(' '));
    if (word == "edit") return edit_thinking(words.size() > word.size() ? words.substr(word.size() + 1) : "");
    Options& options = context_.options;
    if (word == "auto" || word == "on" || word == "off")
      options.think = word == "on" ? Think::on : word == "off" ? Think::off : Think::automatic;
    else if (word == "hide" || word == "show")
      screen_.hide_thinking = word == "hide";
    else if (!word.empty())
      fail(ErrorKind::input, "usage: /think [auto|on|off|hide|show|edit]");
    if (word == "show" && !last_.thinking.empty()) print("{}\n", screen_.style().dim(printable(last_.thinking)));
    if (word.empty())
      print("{}{}\n",
            options.think == Think::on    ? "on"
            : options.think == Think::off ? "off"
                                          : "auto",
            screen_.hide_thinking ? ", hidden" : "");
    if (word == "on" && !session_->chat().builder().thinks()) screen_.say("this model was not made to think");
  }

  void set_budget(const std::string& word) {
    std::optional<std::int64_t>& budget = context_.options.budget;
    if (word == "off")
      budget.reset();
    else if (!word.empty())
      budget = number(word, "/budget [N|off]");
    if (word.empty()) print("{}\n", budget ? fmt::format("{} tokens", *budget) : "off");
  }

  void edit(const std::string& text) {
    need_turn();
    std::string message = text;
    if (message.empty()) {
      if (!editor_.terminal()) fail(ErrorKind::input, "usage: /edit TEXT");
      const std::optional<std::string> line = editor_.read(conversation_.turns.back().user);
      if (!line || line->empty()) return screen_.say("unchanged");
      message = *line;
    }
    ChatTurn before = std::exchange(conversation_.turns.back(), {message, {}, {}, false});
    answer_last(std::move(before));
  }

  // "The thinking can be cut and changed": the model goes on from what a person makes of it.
  void edit_thinking(const std::string& text) {
    need_turn();
    if (!session_->chat().builder().thinks()) fail(ErrorKind::input, "this model was not made to think");
    std::string thinking = text;
    if (thinking.empty()) {
      if (!editor_.terminal()) fail(ErrorKind::input, "usage: /think edit TEXT");
      const std::optional<std::string> line = editor_.read(conversation_.turns.back().thinking);
      if (!line || line->empty()) return screen_.say("unchanged");
      thinking = *line;
    }
    answer_last(conversation_.turns.back(), thinking);
  }

  void undo() {
    need_turn();
    take_back(std::nullopt);
  }

  // The last message, ready to be changed and sent again; in its place comes what was there before, if anything.
  void take_back(std::optional<ChatTurn> before) {
    start_ = conversation_.turns.back().user;
    conversation_.turns.pop_back();
    if (before) conversation_.turns.push_back(std::move(*before));
  }

  void load(const std::string& path) {
    conversation_ = Conversation::load(path);
    screen_.say(fmt::format("{} messages", conversation_.messages().size()));
    if (!conversation_.turns.empty() && !conversation_.turns.back().answered) answer_last(conversation_.turns.back());
  }

  void stats() {
    const Usage& usage = last_.result.usage;
    const EngineStatistics all = session_->engine().statistics();
    print("prompt     {} tokens, {} of them cached; read in {:.2f} s\n", usage.prompt_tokens, usage.cached_tokens,
          usage.prefill_seconds);
    print("answer     {} tokens, {} of them thinking; {:.2f} s\n", usage.completion_tokens, usage.thinking_tokens,
          usage.decode_seconds);
    speed(usage);
    if (last_.result.logits_hash != 0) print("logits     {:016x} (hash of the last ones)\n", last_.result.logits_hash);
    print("engine     {} steps, {} rows, {} tokens from the cache; {:.1f} s busy\n", all.steps, all.rows,
          all.reused_tokens, all.busy_seconds);
    print("machine    {} threads, {}, cache in {}\n", session_->engine().threads(), context_.kernels().isa,
          cache_type_name(session_->cache_type()));
    print("memory     {} of {} pages free, {} kept; {} tokens of context\n", all.free_pages, all.pages, all.kept_pages,
          session_->plan().context);
    print("sampling   temperature {:g}, top-p {:g}, top-k {}, min-p {:g}, repetition penalty {:g}, seed {}\n",
          sampling_.temperature, sampling_.top_p, sampling_.top_k, sampling_.min_p, sampling_.repetition_penalty,
          sampling_.seed);
  }

  // What memory gives is measured when it is first asked for: it takes up to a second.
  void speed(const Usage& usage) {
    const double tokens = rate(usage), achieved = tokens * static_cast<double>(session_->bytes_per_token());
    if (tokens == 0) return;
    if (memory_speed_ == 0) memory_speed_ = memory_bandwidth(session_->engine().threads(), available_memory().bytes);
    print("speed      {:.1f} tokens/s, {} read for each: {:.1f} GB/s of {:.1f} ({:.0f} %)\n", tokens,
          human_bytes(session_->bytes_per_token()), achieved / 1e9, memory_speed_ / 1e9,
          100 * achieved / memory_speed_);
  }

  void tokens(const std::string& text) {
    std::vector<ChatTokenInfo> shown = last_.tokens;
    if (shown.empty()) fail(ErrorKind::input, "nothing was answered yet");
    if (!screen_.decorated()) fail(ErrorKind::input, "/tokens: probabilities are kept on a terminal only");
    const auto n = text.empty() ? shown.size() : static_cast<std::size_t>(number(text, "/tokens [N]"));
    if (n < shown.size()) shown.erase(shown.begin(), shown.end() - static_cast<std::ptrdiff_t>(n));
    write_out(token_table(shown, screen_.style()));
  }

  Context context_;
  Interrupts interrupts_;
  LineEditor editor_;
  ChatScreen screen_;
  std::string model_, start_;
  std::unique_ptr<Session> session_;
  Sampling sampling_;
  Conversation conversation_;
  ChatAnswer last_;
  std::uint64_t answers_ = 0;
  double memory_speed_ = 0;  // bytes a second; 0: not measured yet
  bool failed_ = false, leaving_ = false;
  bool full_ = false;   // the last message left no room for an answer, and no command made any since
  bool alone_ = false;  // the model that is built in never saw two turns: it is given the last message alone
};

}  // namespace

void add_chat(Program& program) {
  auto arguments = std::make_shared<ChatArguments>();
  Command command = program.add("chat", "A conversation in the terminal; from a pipe, an answer to each line");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store", false);
  command.option("--system", arguments->system, "what the model is told first");
  command.flag("--menu", arguments->menu, "choose a model, as on the first start");
  command.engine_options();
  command.sampling_options();
  command.examples(
      "limpid chat                                        what was chosen before, or the menu\n"
      "limpid chat r1-nano                                the model that is built in\n"
      "limpid chat r1-distill-qwen-7b --budget 2000\n"
      "printf 'Hello\\nAnd in French?\\n' | limpid chat smollm2-135m --temp 0");
  command.run([arguments](const Context& context) {
    if (arguments->model.empty() || arguments->menu) {
      if (!arguments->model.empty()) fail(ErrorKind::input, "chat: a model is named, and --menu asks for one");
      const std::optional<std::string> model = choose_chat_model(arguments->menu, context);
      if (!model) return 0;
      arguments->model = *model;
    }
    return Chat(*arguments, context).run();
  });
}

}  // namespace limpid
