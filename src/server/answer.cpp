#include "server/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <exception>
#include <functional>
#include <limits>
#include <random>

#include "server/random_id.h"

namespace limpid {

namespace {

constexpr int kMostAnswers = 64;  // of one request: n times its prompts

Sampling sampling_of(const AnswerRequest& request, const ServedModelInfo& info) {
  Sampling sampling = request.chat.sampling;
  const SamplingWishes& wishes = request.sampling;
  sampling.temperature = wishes.temperature.value_or(info.sampling.temperature);
  sampling.top_p = wishes.top_p.value_or(info.sampling.top_p);
  sampling.top_k = wishes.top_k.value_or(info.sampling.top_k);
  sampling.min_p = wishes.min_p.value_or(info.sampling.min_p);
  sampling.repetition_penalty = wishes.repetition_penalty.value_or(info.sampling.repetition_penalty);
  if (wishes.seed) {
    sampling.seed = *wishes.seed;
  } else {
    std::random_device device;
    sampling.seed = std::uint64_t{device()} << 32 | device();
  }
  return sampling;
}

// Tokens that one choice may take: what was asked and there is room for. Where nothing was asked, the server's own
// default must not be what the request is refused for: no more than what its name's documentation says, the tier allows
// all choices together, and the balance affords.
std::int64_t most_tokens(const Answering& answering, const Identity& identity, const AnswerRequest& request,
                         std::int64_t room, Demand demand) {
  const auto within = [](std::int64_t wanted, std::int64_t most) {
    return std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(most, 1));
  };
  if (request.max_tokens) return within(*request.max_tokens, room);
  const std::int64_t choices = std::max(1, demand.choices);
  std::int64_t most =
      within(request.default_max_tokens > 0 ? request.default_max_tokens : answering.default_max_tokens, room);
  if (identity.context > 0) most = within(most, (identity.context - demand.prompt_tokens) / choices);
  demand.most_completion_tokens = most * choices;
  return within(most, answering.admission.most_completion(identity, demand) / choices);
}

void check_context(const std::vector<ChatPrompt>& prompts, int context) {
  for (const ChatPrompt& prompt : prompts) {
    if (prompt.ids.empty()) throw bad_parameter("prompt: it has no tokens", "prompt");
    if (static_cast<std::int64_t>(prompt.ids.size()) < context) continue;
    throw ApiError(400, "invalid_request_error",
                   fmt::format("this model's context has {} tokens; the prompt alone has {}", context,
                               prompt.ids.size() > static_cast<std::size_t>(context) ? "more" : "as many"),
                   "messages", "context_length_exceeded");
  }
}

// An answer that is ready to begin and waits for its admission. No thread waits with it.
struct Start {
  Answering& answering;
  GenerationPlan plan;
  ChatRequest chat;
  std::vector<ChatPrompt> prompts;
  int choices = 1;
  std::shared_ptr<HttpExchange> exchange;
  std::function<void(const std::exception_ptr&)> fail;
  std::shared_ptr<WaitingAnswer> waiting;  // may be null
  std::exception_ptr refused{};
  std::atomic<bool> one_came{false};  // of two: admit() has returned, it has said yes or no

  Start(Answering& a, GenerationPlan p, ChatRequest c, std::vector<ChatPrompt> ps, int n,
        std::shared_ptr<HttpExchange> e, std::function<void(const std::exception_ptr&)> f,
        std::shared_ptr<WaitingAnswer> w)
      : answering(a),
        plan(std::move(p)),
        chat(std::move(c)),
        prompts(std::move(ps)),
        choices(n),
        exchange(std::move(e)),
        fail(std::move(f)),
        waiting(std::move(w)) {}

  void go() {
    if (refused) std::rethrow_exception(refused);
    if (!exchange->open() && !plan.resumable) return;  // the peer left: the reservation is given back
    plan.head_sent = waiting != nullptr && waiting->begins();
    std::make_shared<Generation>(std::move(plan), answering.generations)->start(chat, prompts, choices, exchange);
  }
};

// Here, where the admission answers at once; else, when its word is on the disk, on the table's thread.
void start_when_admitted(const std::shared_ptr<Start>& start, const Identity& identity, const Demand& demand) {
  GenerationTable& table = start->answering.generations;
  const auto later = [start, &table] {
    try {
      start->go();
    } catch (...) {
      const std::exception_ptr thrown = std::current_exception();
      start->waiting != nullptr ? start->waiting->fail(thrown) : start->fail(thrown);
    }
    start->plan = {};  // what was reserved and leased is given back before the table may end
    table.begins_not();
  };
  table.begins();
  try {
    start->answering.admission.admit(
        identity, demand, [start, &table, later](std::unique_ptr<Charge> charge, std::exception_ptr refused) {
          start->plan.charge = std::move(charge);
          start->refused = std::move(refused);
          if (start->one_came.exchange(true)) table.post(later);
        });
  } catch (...) {
    table.begins_not();
    throw;
  }
  if (!start->one_came.exchange(true)) return;
  const struct Ends {
    GenerationTable& table;
    ~Ends() { table.begins_not(); }
  } ends{table};
  start->go();
}

// Of the account: nobody learns from the time that it takes what others asked for.
std::string grammar_key(const Call& call, const AnswerRequest& request, const ChatEngine& chat) {
  return fmt::format("{} {} {}", call.identity.account, static_cast<int>(chat.builder().chat_template().tool_format()),
                     request.grammar_key);
}

// A request on its way to its Generation.
struct Asked {
  Call call;
  AnswerRequest request;
  std::shared_ptr<ModelLease> lease;
  std::shared_ptr<AnswerEncoder> encoder;
  std::string id_prefix;
  std::shared_ptr<WaitingAnswer> waiting{};  // where it cannot begin at once
};

void answer_now(Answering& answering, Asked& asked) {
  const Call& call = asked.call;
  AnswerRequest request = std::move(asked.request);
  const std::shared_ptr<AnswerEncoder> encoder = asked.encoder;
  GenerationPlan plan;
  plan.lease = std::move(asked.lease);
  const ServedModelInfo& info = plan.lease->info();
  ChatEngine& chat = plan.lease->chat();

  if (request.effort_budget && !request.chat.thinking_budget)
    request.chat.thinking_budget =
        static_cast<int>(std::min<std::int64_t>(*request.effort_budget, std::numeric_limits<int>::max()));
  if (request.grammar)
    request.chat.grammar = answering.grammars.get(grammar_key(call, request, chat), [&] {
      return request.grammar(chat.builder().chat_template().tool_format());
    });
  if (request.chat.grammar != nullptr) chat.grammar_vocabulary();  // made now, not while the engine waits for us
  int context = chat.engine().context();
  if (call.identity.context > 0) context = static_cast<int>(std::min<std::int64_t>(context, call.identity.context));
  request.chat.prompt.most_tokens = static_cast<std::size_t>(context);
  std::vector<ChatPrompt> prompts;
  if (request.prompts)
    prompts = request.prompts(chat, static_cast<std::size_t>(context));
  else
    prompts.push_back(chat.prompt(request.chat));
  check_context(prompts, context);
  if (answering.log_prompt)
    for (const ChatPrompt& prompt : prompts) answering.log_prompt(call.request_id, prompt.text);

  std::int64_t prompt_tokens = 0, longest = 0;
  for (const ChatPrompt& prompt : prompts) {
    prompt_tokens += static_cast<std::int64_t>(prompt.ids.size());
    longest = std::max(longest, static_cast<std::int64_t>(prompt.ids.size()));
  }
  const int choices = request.choices * static_cast<int>(prompts.size());
  if (choices > kMostAnswers)
    throw bad_parameter(fmt::format("n: {} answers in one request, at most {} are allowed", choices, kMostAnswers),
                        "n");
  const std::int64_t most =
      most_tokens(answering, call.identity, request, context - longest, {info.id, prompt_tokens, 0, choices});
  request.chat.max_tokens = static_cast<int>(most);
  request.chat.sampling = sampling_of(request, info);
  request.chat.account = call.identity.account;
  request.chat.user = request.user.empty() ? call.identity.user : request.user;
  request.chat.priority = call.identity.priority;
  request.chat.warm_next = true;

  plan.id = random_id(asked.id_prefix);
  plan.request_id = call.request_id;
  plan.identity = call.identity;
  plan.error_body = call.error_body;
  plan.stream = request.stream;
  plan.resumable = request.resumable;

  AnswerFacts facts;
  facts.id = plan.id;
  facts.model = request.model.empty() ? info.id : request.model;
  facts.fingerprint = info.fingerprint;
  facts.created = std::time(nullptr);
  facts.choices = choices;
  facts.thinks = info.thinks && !request.chat.raw;
  facts.prompt_tokens = prompt_tokens;
  for (const ChatPrompt& prompt : prompts) facts.prompts.push_back(prompt.text);
  encoder->facts(facts);
  plan.encoder = encoder;
  const Demand demand{info.id, prompt_tokens, most * choices, choices};
  const auto start = std::make_shared<Start>(answering, std::move(plan), std::move(request.chat), std::move(prompts),
                                             request.choices, call.exchange, call.fail, asked.waiting);
  start_when_admitted(start, call.identity, demand);
}

// The id of the model that is named, for who may use it: what the tier may not use is not even loaded.
std::string allowed_id(const Answering& answering, const Identity& identity, const std::string& model) {
  std::string id = answering.models.id_of(model);
  answering.admission.check_model(identity, id);
  return id;
}

// Without a thread that waits. A peer that goes away gives its place up.
void when_loaded(const Answering& answering, const Call& call, const std::string& id, ModelLoads::Then then) {
  ModelLoads& loads = answering.loads;
  GenerationTable& table = answering.generations;
  const std::uint64_t place = loads.place();
  call.exchange->on_close([&loads, &table, place] {
    // What it holds (a large body, perhaps) does not end on this thread, which may be that of input and output.
    if (const auto left = std::make_shared<ModelLoads::Then>(loads.leave(place)); *left) table.post([left] {});
  });
  loads.wait(place, id, call.identity.account, std::move(then));
}

}  // namespace

std::vector<std::string> served_ids(const ServedModels& models) {
  std::vector<std::string> ids;
  for (const ServedModelInfo& info : models.list()) ids.push_back(info.id);
  return ids;
}

void with_model(const Answering& answering, const Call& call, const std::string& model,
                std::function<void(ModelLease&)> work) {
  const std::string id = allowed_id(answering, call.identity, model);
  if (const std::shared_ptr<ModelLease> lease = answering.models.lease_if_loaded(id)) return work(*lease);
  when_loaded(answering, call, id,
              [call, work = std::move(work)](std::shared_ptr<ModelLease> lease, const std::exception_ptr& failure) {
                try {
                  if (failure) std::rethrow_exception(failure);
                  call.defer([lease, work] { work(*lease); });
                } catch (...) {
                  call.fail(std::current_exception());
                }
              });
}

void answer(Answering& answering, const Call& call, AnswerRequest request, std::unique_ptr<AnswerEncoder> encoder,
            std::string_view id_prefix) {
  const std::string id = allowed_id(answering, call.identity, request.served);
  const auto asked = std::make_shared<Asked>(Asked{call, std::move(request), answering.models.lease_if_loaded(id),
                                                   std::move(encoder), std::string(id_prefix)});
  const bool loaded = asked->lease != nullptr;
  if (loaded &&
      (!asked->request.grammar || answering.grammars.has(grammar_key(call, asked->request, asked->lease->chat()))))
    return answer_now(answering, *asked);
  asked->waiting = std::make_shared<WaitingAnswer>(call, asked->request.stream, asked->encoder, answering.generations);
  const auto begin = [&answering, asked] {
    try {
      answer_now(answering, *asked);
    } catch (...) {
      asked->waiting->fail(std::current_exception());
    }
  };
  if (loaded) {
    call.defer(begin);
  } else {
    const auto then = [asked, begin](std::shared_ptr<ModelLease> lease, const std::exception_ptr& failure) {
      try {
        if (failure) std::rethrow_exception(failure);
        asked->lease = std::move(lease);
        asked->call.defer(begin);
      } catch (...) {
        asked->waiting->fail(std::current_exception());
      }
    };
    when_loaded(answering, call, id, then);
  }
  answering.generations.add(asked->waiting);
}

}  // namespace limpid
