// An admission that takes its time (a disk): no worker waits with the request, and every road to its end is walked.
#include "tests/server/service_fixture.h"

namespace limpid {
namespace {

// Says yes or no when the test lets it.
struct SlowAdmission : CountingAdmission {
  using CountingAdmission::admit;
  using CountingAdmission::CountingAdmission;
  void admit(const Identity& identity, const Demand& demand, Admitted told) override {
    const std::lock_guard lock(mutex);
    waiting.push_back([this, identity, demand, told = std::move(told)](std::exception_ptr refused) {
      std::unique_ptr<Charge> charge;
      if (!refused) charge = CountingAdmission::admit(identity, demand);
      told(std::move(charge), std::move(refused));
    });
  }
  void say(std::exception_ptr refused = nullptr) {
    std::function<void(std::exception_ptr)> first;
    {
      const std::lock_guard lock(mutex);
      first = std::move(waiting.front());
      waiting.erase(waiting.begin());
    }
    first(std::move(refused));
  }
  std::vector<std::function<void(std::exception_ptr)>> waiting;
};

class WaitingAdmission : public ServiceFixture {
 protected:
  void SetUp() override {
    ServiceFixture::SetUp();
    slow_.emplace(OpenLimits{});
    DispatcherSinks sinks;
    sinks.access = [](const AccessRecord&) {};
    sinks.error = [](const std::string&, const std::string&) {};
    service_.emplace(ServiceOptions{}, models_, *slow_, std::move(sinks));
  }
  void TearDown() override {
    service_.reset();
    ServiceFixture::TearDown();
  }
  std::optional<SlowAdmission> slow_;
};

TEST_F(WaitingAdmission, TheAnswerBeginsWhenItIsAdmitted) {
  const Json body = asks("Hi");
  say(body, "4</think>It is 4.");
  const auto one = post("/v1/chat/completions", body);  // returns: nobody waits
  EXPECT_EQ(one->status(), 0);
  EXPECT_EQ(model_.steps, 0) << "nothing is computed before";
  EXPECT_EQ(service_->generations().running(), 1);
  slow_->say();
  ASSERT_TRUE(one->wait());
  EXPECT_EQ(one->status(), 200);
  EXPECT_NE(one->body().find("It is 4."), std::string::npos);
}

TEST_F(WaitingAdmission, ARefusalThatComesLaterIsWordedByTheRoute) {
  Json body = asks("Hi");
  const auto chat = post("/v1/chat/completions", body);
  slow_->say(std::make_exception_ptr(no_balance("nothing is left")));
  ASSERT_TRUE(chat->wait());
  EXPECT_EQ(chat->status(), 402);
  EXPECT_EQ(Json::parse(chat->body())["error"]["type"], "insufficient_balance");
  body["max_tokens"] = 4;
  const auto message = post("/v1/messages", body);
  slow_->say(std::make_exception_ptr(Error(ErrorKind::resources, "the disk /var/lib/team.db is full")));
  ASSERT_TRUE(message->wait());
  EXPECT_EQ(message->status(), 503);
  EXPECT_EQ(Json::parse(message->body())["type"], "error");
  EXPECT_EQ(message->body().find("/var/lib"), std::string::npos);
  service_->generations().flush();
  EXPECT_EQ(service_->generations().running(), 0);
  EXPECT_EQ(model_.steps, 0);
}

TEST_F(WaitingAdmission, WhoLeftMeanwhileCostsNothing) {
  const auto one = post("/v1/chat/completions", asks("Hi"));
  one->leave();
  slow_->say();
  service_->generations().flush();
  EXPECT_EQ(slow_->given_back, 1);
  EXPECT_EQ(service_->generations().running(), 0);
  EXPECT_EQ(model_.steps, 0);
}

TEST_F(WaitingAdmission, AServiceThatEndsWaitsForWhatIsAsked) {
  const Json body = asks("Hi");
  say(body, std::string(1000, 'a'));
  const auto one = post("/v1/chat/completions", body);
  std::thread ends([&] { service_.reset(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  slow_->say();
  ends.join();
  EXPECT_TRUE(one->ended());
}

}  // namespace
}  // namespace limpid
