// A teacher behind an OpenAI-compatible endpoint: one request an answer, several at a time.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/error.h"
#include "net/http_client.h"
#include "net/retry.h"
#include "net/url.h"
#include "train/traces.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kParallel = 8;                   // requests at a time
constexpr std::size_t kLimit = std::size_t{16} << 20;  // bytes of an answer
constexpr long kPatience = 600;                        // seconds without a byte: a model may think long

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

std::string text_of(const Json& message, const char* field) {
  const auto found = message.find(field);
  return found == message.end() || !found->is_string() ? "" : trimmed(found->get_ref<const std::string&>());
}

// The beginning of what came, for an error's line.
std::string excerpt(const std::string& body) {
  std::string text = body.substr(0, 200);
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return body.size() > 200 ? text + " ..." : text;
}

class EndpointTeacher final : public Teacher {
 public:
  EndpointTeacher(std::string url, std::string model, std::string key)
      : url_(std::move(url)), model_(std::move(model)), key_(std::move(key)) {
    while (url_.ends_with('/')) url_.pop_back();
    if (!url_.ends_with("/chat/completions")) url_ += "/chat/completions";
    origin_ = url_origin(url_);
  }

  std::vector<TeacherAnswer> answer(std::span<const Sample> problems, std::uint64_t first,
                                    const TraceSettings& settings, const std::function<bool()>& stop) override {
    const auto samples = static_cast<std::size_t>(settings.samples);
    std::vector<TeacherAnswer> answers(problems.size() * samples);
    std::atomic<std::size_t> next{0};
    std::atomic<bool> given_up{false};
    std::mutex mutex;
    std::exception_ptr failure;
    const auto ended = [&] { return given_up || stop(); };
    const auto work = [&] {
      try {
        HttpClient client({.stall_timeout_s = kPatience, .cancelled = ended});
        for (std::size_t i = next++; i < answers.size() && !given_up; i = next++) {
          if (stop()) fail(ErrorKind::cancelled, "stopped while asking {}", url_);
          answers[i] = ask(client, problems[i / samples], first + i, settings, ended);
        }
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        given_up = true;
      }
    };
    std::vector<std::thread> threads;
    const std::size_t count = std::min({answers.size(), kParallel, static_cast<std::size_t>(settings.rows)});
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
    return answers;
  }

  Json describe() const override { return {{"url", url_}, {"name", model_}}; }

 private:
  TeacherAnswer ask(HttpClient& client, const Sample& problem, std::uint64_t number, const TraceSettings& settings,
                    const std::function<bool()>& ended) const {
    const Json body = {{"model", model_},
                       {"messages", Json::array({{{"role", "user"}, {"content", problem.prompt}}})},
                       {"temperature", settings.temperature},
                       {"top_p", settings.top_p},
                       {"max_tokens", settings.max_tokens},
                       {"seed", (settings.seed * 1'000'003 + number) & 0x7FFF'FFFF},
                       {"stream", false}};
    HttpRequest request{
        .url = url_, .headers = {{"Content-Type", "application/json"}}, .bearer = key_, .bearer_origin = origin_};
    request.post = body.dump();
    RetryPolicy policy;
    policy.attempts = 4;
    policy.sleep = [&](std::chrono::milliseconds time) {
      for (const auto end = std::chrono::steady_clock::now() + time;
           std::chrono::steady_clock::now() < end && !ended();)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (ended()) fail(ErrorKind::cancelled, "stopped while asking {}", url_);
    };
    const HttpResponse response = ask_with_retries(client, request, policy);
    if (!response.error.empty()) fail(ErrorKind::system, "{}: {}", url_, response.error);
    if (!response.ok()) fail(ErrorKind::system, "{}: status {}: {}", url_, response.status, excerpt(response.body));
    return read(response.body);
  }

  static HttpResponse ask_with_retries(HttpClient& client, const HttpRequest& request, const RetryPolicy& policy) {
    for (int attempt = 1;; ++attempt) {
      HttpResponse response = client.get(request, kLimit);
      if (attempt >= policy.attempts || !worth_retrying(response)) return response;
      policy.sleep(retry_delay(policy, response, attempt));
    }
  }

  TeacherAnswer read(const std::string& body) const {
    const Json json = Json::parse(body, nullptr, false);
    const auto garbage = [&](const char* expected) {
      fail(ErrorKind::system, "{}: expected {}, found {}", url_, expected, excerpt(body));
    };
    if (!json.is_object()) garbage("a JSON object");
    const auto choices = json.find("choices");
    if (choices == json.end() || !choices->is_array() || choices->empty() || !(*choices)[0].is_object())
      garbage("an answer with \"choices\"");
    const Json& choice = (*choices)[0];
    const auto message = choice.find("message");
    if (message == choice.end() || !message->is_object()) garbage("choices[0].message");
    TeacherAnswer answer;
    std::string thinking = text_of(*message, "reasoning_content");
    if (thinking.empty()) thinking = text_of(*message, "reasoning");
    answer.reply = text_of(*message, "content");
    if (!thinking.empty()) answer.reply = "<think>\n" + thinking + "\n</think>\n\n" + answer.reply;
    const auto reason = choice.find("finish_reason");
    answer.finished = reason != choice.end() && *reason == "stop";
    const Json usage = json.value("usage", Json());
    if (usage.is_object() && usage.contains("completion_tokens") && usage["completion_tokens"].is_number_integer())
      answer.tokens =
          static_cast<int>(std::clamp<std::int64_t>(usage["completion_tokens"].get<std::int64_t>(), 0, INT32_MAX));
    return answer;
  }

  std::string url_, origin_;
  const std::string model_, key_;
};

}  // namespace

std::unique_ptr<Teacher> endpoint_teacher(const std::string& url, const std::string& model, const std::string& key) {
  return std::make_unique<EndpointTeacher>(url, model, key);
}

}  // namespace limpid
