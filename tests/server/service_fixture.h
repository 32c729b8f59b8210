// A whole service without a network, over a model that says what the test wants.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "fake_exchange.h"
#include "server/open_admission.h"
#include "server/openai_chat_request.h"
#include "server/routes.h"
#include "server/service.h"
#include "tests/chat/chat_fixture.h"

namespace limpid {

using Json = nlohmann::ordered_json;

inline const char* const kChatPath = "/v1/chat/completions";

inline const char* const kThinkingTemplate =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content.split('</think>')[-1] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{{ '<think>\n' }}{% endif %}";

// A scripted model that takes its time, and one service around it.
class SlowScript : public ScriptModel {
 public:
  std::atomic<int> microseconds{0};
  std::atomic<int> steps{0};
  Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> layers) const override {
    if (ex.thread == 0) {
      ++const_cast<SlowScript*>(this)->steps;
      if (microseconds > 0) std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    }
    return ScriptModel::forward(ex, batch, layers);
  }
};

struct FakeModels : ServedModels {
  struct Lease : ModelLease {
    Lease(ChatEngine& engine, const ServedModelInfo& is) : chat_(engine), info_(is) {}
    ChatEngine& chat() override { return chat_; }
    const ServedModelInfo& info() const override { return info_; }
    ChatEngine& chat_;
    const ServedModelInfo& info_;
  };
  std::vector<ServedModelInfo> list() const override { return {info}; }
  std::string id_of(const std::string& model) const override {
    if (!model.empty() && model != info.id && model != "default")
      fail(ErrorKind::not_found, "model: there is {}, not \"{}\"", info.id, model);
    return info.id;
  }
  std::shared_ptr<ModelLease> lease(const std::string& model) override {
    (void)id_of(model);
    loading.wait(true);  // until the test has "loaded" it
    if (!load_failure.empty()) fail(ErrorKind::resources, "{}", load_failure);
    ++leases;
    return std::make_shared<Lease>(*chat, info);
  }
  std::shared_ptr<ModelLease> lease_if_loaded(const std::string& model) override {
    return loading || !load_failure.empty() ? nullptr : lease(model);
  }
  void end_loading() {
    loading = false;
    loading.notify_all();
  }
  std::vector<std::pair<std::string, EngineStatistics>> statistics() const override {
    return {{info.id, chat->engine().statistics()}};
  }
  ChatEngine* chat = nullptr;
  ServedModelInfo info;
  std::atomic<int> leases{0};
  std::atomic<bool> loading{false};
  std::string load_failure;
};

// What was charged.
struct CountingAdmission : OpenAdmission {
  using OpenAdmission::OpenAdmission;
  struct Counted : Charge {
    Counted(CountingAdmission& to, std::unique_ptr<Charge> inner) : to_(to), inner_(std::move(inner)) {}
    ~Counted() override {
      if (!settled_) ++to_.given_back;
    }
    void progress(const Consumption& consumption) noexcept override {
      std::lock_guard lock(to_.mutex);
      to_.last_progress = consumption;
    }
    void settle(const Consumption& consumption) noexcept override {
      settled_ = true;
      std::lock_guard lock(to_.mutex);
      to_.settled.push_back(consumption);
    }
    CountingAdmission& to_;
    std::unique_ptr<Charge> inner_;
    bool settled_ = false;
  };
  Identity identify(const ServedRequest& request) override {
    Identity identity = OpenAdmission::identify(request);
    identity.context = context;
    identity.admin = admin;
    identity.scopes = scopes;
    return identity;
  }
  void check_model(const Identity&, const std::string& model) override {
    if (model == forbidden_model) throw forbidden("model: this tier may not use it");
  }
  std::int64_t most_completion(const Identity&, const Demand& demand) override {
    return std::min(demand.most_completion_tokens, afforded);
  }
  std::unique_ptr<Charge> admit(const Identity& identity, const Demand& demand) override {
    last_demand = demand;
    ++admitted;
    return std::make_unique<Counted>(*this, OpenAdmission::admit(identity, demand));
  }
  Standing standing(const ServedRequest&) noexcept override { return stands; }
  void check(const Identity&) override {
    if (used_up) throw ApiError(*used_up);
  }
  int open() {  // accepted, and neither charged nor given back
    std::lock_guard lock(mutex);
    return admitted - given_back - static_cast<int>(settled.size());
  }
  std::atomic<int> admitted{0};
  std::int64_t context = 0;  // of a tier
  std::mutex mutex;
  std::vector<Consumption> settled;
  std::atomic<int> given_back{0};
  Demand last_demand;
  Consumption last_progress;        // under `mutex`
  std::vector<std::string> scopes;  // of everybody's key
  std::string forbidden_model;
  std::int64_t afforded = INT64_MAX;  // completion tokens
  bool admin = true;                  // everybody is
  void count_text(const Identity&) override { ++texts; }
  std::atomic<int> texts{0};
  Standing stands;
  std::optional<ApiError> used_up;
};

class ServiceFixture : public testing::Test {
 protected:
  static constexpr std::int32_t kEnd = 257;

  virtual const char* chat_template() const { return kThinkingTemplate; }
  void SetUp() override {
    tokenizer_.emplace(byte_tokenizer(
        {"<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"}, "<|im_end|>"));
    EngineOptions options;
    options.threads = 1;
    options.limits.sequences = 64;
    options.pages = 64 * 8;
    options.context = 2048;
    engine_.emplace(model_, options);
    chat_.emplace(*engine_, *tokenizer_, chat_template());
    engine_->start();
    models_.chat = &*chat_;
    models_.info.id = "script";
    models_.info.thinks = true;
    models_.info.loaded = true;
    models_.info.fingerprint = "fp_test";
    build({}, {});
  }
  void TearDown() override {
    service_.reset();
    chat_.reset();  // before the engine: its thread prepares next turns there
    engine_.reset();
  }
  void build(const OpenLimits& limits, ServiceOptions options) {
    service_.reset();
    admission_.emplace(limits);
    DispatcherSinks sinks;
    sinks.access = [this](const AccessRecord& record) {
      std::lock_guard lock(mutex_);
      log_.push_back(record);
    };
    sinks.error = [this](const std::string&, const std::string& what) {
      std::lock_guard lock(mutex_);
      errors_.push_back(what);
    };
    options.version = "test";
    service_.emplace(std::move(options), models_, *admission_, std::move(sinks));
    add_free_balance_route(service_->routes());
  }

  // The model answers the next request, whose prompt is that of `request`, with these bytes, then ends its turn.
  void say(const PromptRequest& request, const std::string& text, bool ends = true) {
    EncodeOptions special;
    special.special = true;
    model_.script = tokenizer_->encode(text, special);
    if (ends) model_.script.push_back(kEnd);
    model_.prompt = chat_->builder().build(request).ids.size();
  }
  // The same for a body of /chat/completions.
  void say(const Json& body, const std::string& text, bool ends = true) {
    say(parse_openai_chat(body.dump(), {"script"}).answer.chat.prompt, text, ends);
  }

  static Json asks(const std::string& text) {
    return {{"model", "script"}, {"messages", Json::array({{{"role", "user"}, {"content", text}}})}};
  }

  std::shared_ptr<FakeExchange> call(const std::string& method, const std::string& path, const std::string& body = {},
                                     HttpFields headers = {}) {
    ServedRequest request;
    request.method = method;
    request.path = path.substr(0, path.find('?'));
    if (path.find('?') != std::string::npos) request.query = path.substr(path.find('?') + 1);
    request.body = body;
    request.headers = std::move(headers);
    request.peer = "127.0.0.1";
    auto exchange = std::make_shared<FakeExchange>(std::move(request));
    service_->handler()(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> post(const std::string& path, const Json& body) {
    return call("POST", path, body.dump(), {{"Content-Type", "application/json"}});
  }
  // Waits until everything that was asked is over: charged, counted and logged. An answer is whole for its reader a
  // moment before that.
  void wait_until_over() {
    for (int i = 0; i < 10'000 && admission_->open() > 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(admission_->open(), 0);
    service_->generations().flush();
  }

  // The whole answer as JSON.
  Json answer(const std::string& path, const Json& body, int status = 200) {
    const auto exchange = post(path, body);
    EXPECT_TRUE(exchange->wait());
    EXPECT_EQ(exchange->status(), status) << exchange->body();
    return Json::parse(exchange->body());
  }
  // The data of a stream's events, "[DONE]" left out (and expected).
  static std::vector<Json> events(const std::string& stream) {
    std::vector<Json> out;
    std::size_t at = 0;
    bool done = false;
    while (at < stream.size()) {
      const std::size_t end = stream.find("\n\n", at);
      const std::string event = stream.substr(at, end - at);
      at = end + 2;
      const std::size_t data = event.find("data: ");
      if (data == std::string::npos) continue;
      EXPECT_FALSE(done) << "after [DONE]";
      if (event.substr(data + 6) == "[DONE]")
        done = true;
      else
        out.push_back(Json::parse(event.substr(data + 6)));
    }
    EXPECT_TRUE(done) << stream;
    return out;
  }
  std::vector<Json> stream(const std::string& path, Json body) {
    body["stream"] = true;
    const auto exchange = post(path, body);
    EXPECT_TRUE(exchange->wait());
    EXPECT_EQ(exchange->status(), 200);
    EXPECT_EQ(exchange->header("Content-Type"), "text/event-stream; charset=utf-8");
    return events(exchange->body());
  }

  SlowScript model_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<Engine> engine_;
  std::optional<ChatEngine> chat_;
  FakeModels models_;
  std::optional<CountingAdmission> admission_;
  std::mutex mutex_;  // guards log_ and errors_
  std::vector<AccessRecord> log_;
  std::vector<std::string> errors_;
  std::optional<Service> service_;
};

}  // namespace limpid
