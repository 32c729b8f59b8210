// limpid run: one answer.
#include <unistd.h>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/answer.h"
#include "app/bandwidth.h"
#include "app/commands.h"
#include "app/input.h"
#include "app/model_text.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/session.h"
#include "app/style.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

struct RunArguments {
  std::string model, system;
  std::vector<std::string> stop;
  std::optional<std::string> prompt;  // nothing, or "-": standard input
  std::int64_t tokens = 0;
  bool raw = false, special = false, json = false;
};

// Read before anything is loaded: what cannot be answered is refused at once.
std::string read_prompt(const RunArguments& arguments) {
  const bool given = arguments.prompt && *arguments.prompt != "-";
  if (!given && !arguments.prompt && isatty(STDIN_FILENO) != 0)
    fail(ErrorKind::input, "no prompt: -p TEXT, or text on standard input");
  std::string prompt = given ? *arguments.prompt : read_all_input();
  if (prompt.empty() && !(given && arguments.raw))  // -p '' --raw: from the first token on, whatever the model likes
    fail(ErrorKind::input, "the prompt is empty{}",
         given ? "" : ": nothing came on standard input, and there is no -p TEXT");
  return prompt;
}

ChatRequest make_request(const RunArguments& arguments, const std::string& prompt, const Session& session,
                         const Options& options) {
  ChatRequest request;
  if (arguments.raw) {
    request.raw = prompt;
    request.raw_special = arguments.special;
  } else {
    request.prompt.messages = Json::array();
    if (!arguments.system.empty())
      request.prompt.messages.push_back({{"role", "system"}, {"content", arguments.system}});
    request.prompt.messages.push_back({{"role", "user"}, {"content", prompt}});
    request.prompt.thinking = thinking_of(options.think);
  }
  if (options.budget)
    request.thinking_budget =
        static_cast<int>(std::min<std::int64_t>(*options.budget, std::numeric_limits<int>::max()));
  request.sampling = session.sampling(options);
  request.max_tokens = static_cast<int>(arguments.tokens);
  request.stop = arguments.stop;
  return request;
}

double rate(int tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0.0; }

Json to_json(const ChatAnswer& answer, Session& session, const Sampling& sampling, const Context& context) {
  const Usage& usage = answer.result.usage;
  Json out;
  out["thinking"] = answer.thinking;
  out["answer"] = answer.answer;
  if (!answer.calls.empty()) {
    out["tool_calls"] = Json::array();
    for (const ToolCall& call : answer.calls)
      out["tool_calls"].push_back({{"name", call.name}, {"arguments", call.arguments}});
  }
  out["ids"] = answer.ids();
  out["finish_reason"] = name(answer.result.finish);
  if (!answer.result.stop_string.empty()) out["stop_string"] = answer.result.stop_string;
  out["usage"] = {{"prompt_tokens", usage.prompt_tokens},
                  {"cached_tokens", usage.cached_tokens},
                  {"completion_tokens", usage.completion_tokens},
                  {"thinking_tokens", usage.thinking_tokens}};
  out["timings"] = {{"load_seconds", session.load_seconds()},
                    {"queue_seconds", usage.queue_seconds},
                    {"prefill_seconds", usage.prefill_seconds},
                    {"decode_seconds", usage.decode_seconds},
                    {"thinking_seconds", answer.result.thinking_seconds},
                    {"prefill_tps", rate(usage.prompt_tokens - usage.cached_tokens, usage.prefill_seconds)},
                    {"decode_tps", rate(usage.completion_tokens - 1, usage.decode_seconds)}};
  const double achieved =
      rate(usage.completion_tokens - 1, usage.decode_seconds) * static_cast<double>(session.bytes_per_token());
  out["machine"] = {{"isa", context.kernels().isa},
                    {"threads", session.engine().threads()},
                    {"context", session.plan().context},
                    {"cache", cache_type_name(session.cache_type())},
                    {"bytes_per_token", session.bytes_per_token()},
                    {"achieved_gbs", achieved / 1e9},
                    {"memory_gbs", memory_bandwidth(session.engine().threads(), available_memory().bytes) / 1e9}};
  out["sampling"] = {{"temperature", sampling.temperature},
                     {"top_p", sampling.top_p},
                     {"top_k", sampling.top_k},
                     {"min_p", sampling.min_p},
                     {"repetition_penalty", sampling.repetition_penalty},
                     {"seed", sampling.seed}};
  out["logits_hash"] = fmt::format("{:016x}", answer.result.logits_hash);
  return out;
}

// The answer goes to standard output, the thinking to standard error: both are seen, and a pipe gets the answer alone.
void show(const ChatEvent& event, const Style& style, bool& thought) {
  if (event.kind == ChatEvent::Kind::thinking) {
    std::fputs(style.dim(for_stream(STDERR_FILENO, event.text)).c_str(), stderr);
    thought = true;
  } else if (event.kind == ChatEvent::Kind::answer) {
    if (std::exchange(thought, false)) std::fputs("\n\n", stderr);
    write_out(for_stream(STDOUT_FILENO, event.text));
    flush_out();
  } else if (event.kind == ChatEvent::Kind::tool_call) {
    write_out(for_stream(STDOUT_FILENO, fmt::format("{}({})\n", event.call.name, event.call.arguments)));
  }
}

void check_run(const RunArguments& arguments) {
  if (arguments.raw && !arguments.system.empty())
    fail(ErrorKind::input, "--system: --raw has no messages; write it into the prompt");
  if (arguments.special && !arguments.raw)
    fail(ErrorKind::input, "--special: only with --raw; in a message, special tokens stay text");
  for (const std::string& stop : arguments.stop)
    if (stop.empty()) fail(ErrorKind::input, "--stop: the text is empty");
}

// What the model cannot do although it was asked for, and where its turns are not written as it was trained.
void say_what_differs(const RunArguments& arguments, Session& session, const Options& options) {
  if (arguments.raw) return;
  say_if_no_template(session.files().chat_template());
  if (session.chat().builder().thinks()) return;
  if (options.think == Think::on || options.budget)
    std::fprintf(stderr, "limpid: %s: this model was not made to think\n",
                 options.think == Think::on ? "--think on" : "--budget");
}

// An answer that ends early looks like one that ended by itself.
void say_if_cut(const ChatAnswer& answer, const RunArguments& arguments, const Session& session) {
  if (answer.result.finish != ChatFinish::length) return;
  const bool asked = arguments.tokens > 0 && answer.result.usage.completion_tokens >= arguments.tokens;
  std::fprintf(
      stderr, "limpid: %s\n",
      cut_off(answer, asked ? "-n allows no more" : fmt::format("the context of {} is full", session.plan().context))
          .c_str());
}

int run(const RunArguments& arguments, const Context& context) {
  check_run(arguments);
  const std::string prompt = read_prompt(arguments);
  Interrupts interrupts;
  Session session(arguments.model, context, interrupts);
  const ChatRequest request = make_request(arguments, prompt, session, context.options);
  say_what_differs(arguments, session, context.options);
  const Style style(STDERR_FILENO);
  if (style.terminal() && !arguments.json)
    std::fprintf(
        stderr, "%s\n",
        style.dim(fmt::format("{}, {} tokens of context", visible(session.name()), session.plan().context)).c_str());
  bool thought = false;
  const ChatAnswer answer = follow_answer(session.chat(), request, interrupts, [&](const ChatEvent& event) {
    if (!arguments.json) show(event, style, thought);
  });
  if (answer.result.finish == ChatFinish::error) fail(ErrorKind::system, "{}", answer.result.error);
  if (arguments.json)
    print("{}\n",
          visible_json(
              to_json(answer, session, request.sampling, context).dump(1, ' ', false, Json::error_handler_t::replace)));
  else
    write_out("\n");
  if (!arguments.json) {
    flush_out();
    say_if_cut(answer, arguments, session);
  }
  return answer.result.finish == ChatFinish::cancelled ? 1 : 0;
}

}  // namespace

void add_run(Program& program) {
  auto arguments = std::make_shared<RunArguments>();
  Command command = program.add("run", "One answer");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store");
  command.option("-p,--prompt", arguments->prompt, "what is asked; without it, or with -, standard input");
  command.option("--system", arguments->system, "a message to the model before it");
  command.option("-n,--tokens", arguments->tokens, 1, std::numeric_limits<int>::max(),
                 "most tokens of the answer (default: as many as the context holds)");
  command.option("--stop", arguments->stop, "ends the answer where this text would come; may be repeated");
  command.flag("--raw", arguments->raw, "the prompt as it is, without the chat template");
  command.flag("--special", arguments->special, "with --raw: special tokens in the prompt count as such");
  command.flag("--json", arguments->json, "thinking, answer, ids, usage, timings, machine and logits_hash as JSON");
  command.engine_options();
  command.sampling_options();
  command.examples(
      "limpid run smollm2-135m -p 'Why is the sky blue?'\n"
      "limpid run r1-distill-qwen-1.5b -p 'Is 1001 a prime?' --budget 500 --json | jq .answer\n"
      "limpid run smollm2-135m --raw -p 'Once upon a time' -n 50 --temp 0\n"
      "limpid run smollm2-135m --system 'Summarise.' < article.txt");
  command.run([arguments](const Context& context) { return run(*arguments, context); });
}

}  // namespace limpid
