// Bodies of requests, by every wire format's parser and by the routes of a team: refused with a status of the client's,
// or read; nothing else. What comes behind the first line, if any, is the body for a team; that line picks the route.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../server/fake_exchange.h"
#include "server/anthropic_request.h"
#include "server/api_error.h"
#include "server/completion_request.h"
#include "server/dispatcher.h"
#include "server/openai_chat_request.h"
#include "server/team_admission.h"
#include "server/team_routes.h"
#include "server/text_request.h"

namespace {

using namespace limpid;

template <typename Parse>
void run(Parse&& parse) {
  try {
    parse();
  } catch (const ApiError& error) {
    if (error.status < 400 || error.status >= 500) std::abort();
  } catch (const Error& error) {
    if (api_error(error).status >= 500) std::abort();
  }
}

// A team with an admin, who asks; what he is let to change stays changed, for the inputs that follow.
class Site {
 public:
  Site() {
    std::string name = (std::filesystem::temp_directory_path() / "limpid_fuzz_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
    TeamOptions options;
    options.database = (folder_ / "team.db").string();
    options.accounts.password = {64, 1, 1, 4};
    options.accounts.by_name.free_failures = options.accounts.by_address.free_failures = 1 << 30;
    team_ = std::make_shared<Team>(options);
    const Account admin = team_->accounts().create("root", "the password of root", "", Role::admin);
    team_->accounts().create("ada", "the password of ada", "", Role::user);
    key_ = team_->accounts().create_key(admin, "fuzz", {}, 0).text;
    register_team_routes(router_, team_);
    admission_ = make_team_admission(team_);
    DispatcherSinks sinks{[](const AccessRecord&) {}, [](const std::string&, const std::string&) { std::abort(); }};
    dispatcher_ = std::make_unique<Dispatcher>(DispatcherOptions{}, router_, *admission_, metrics_, sinks);
    for (const Route& route : router_.routes())
      if (!route.doc.request.empty()) routes_.push_back(&route);
  }
  ~Site() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void send(std::string_view which, std::string_view body) {
    std::size_t number = 0;
    for (const char c : which) number = number * 31 + static_cast<unsigned char>(c);
    const Route* route = routes_[number % routes_.size()];
    for (const Route* one : routes_)
      if (one->doc.operation == which) route = one;
    ServedRequest request;
    request.method = route->method;
    request.path = route->pattern;
    if (const std::size_t id = request.path.find("{id}"); id != std::string::npos) request.path.replace(id, 4, "ada");
    request.peer = "192.0.2.1";
    request.body = body;
    request.headers = {{"Host", "limpid.example"}, {"Content-Type", "application/json"}};
    if (route->asks) request.headers.emplace_back("Authorization", "Bearer " + key_);
    const auto exchange = std::make_shared<FakeExchange>(std::move(request));
    (*dispatcher_)(exchange);
    if (!exchange->ended() || exchange->status() < 200 || exchange->status() >= 500) std::abort();
  }

 private:
  std::filesystem::path folder_;
  std::shared_ptr<Team> team_;
  Router router_;
  Metrics metrics_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::vector<const Route*> routes_;
  std::string key_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  run([&] { parse_openai_chat(body, {"r1-nano"}); });
  run([&] { parse_completion(body, {"r1-nano"}); });
  run([&] { parse_anthropic(body, false, {"r1-nano"}); });
  run([&] { parse_anthropic(body, true, {"r1-nano"}, nullptr, ClaudeNames::the_default); });
  run([&] { parse_tokenize(body); });
  run([&] { parse_detokenize(body); });
  if (const std::size_t line = body.find('\n'); line != std::string_view::npos) {
    static Site site;
    site.send(body.substr(0, line), body.substr(line + 1));
  }
  return 0;
}
