// Traces: what is kept of a teacher's answers, the same file whatever the chunks and interruptions, and endpoints that
// answer well, badly or not at all.
#include "train/traces.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/net/test_server.h"
#include "train/data_files.h"
#include "train/verifier.h"

using namespace limpid;
using limpid::test::Reply;
using limpid::test::TestServer;

namespace {

namespace fs = std::filesystem;

// By its number an answer is right, wrong, without thinking, in the other language or cut.
class FixedTeacher final : public Teacher {
 public:
  std::vector<TeacherAnswer> answer(std::span<const Sample> problems, std::uint64_t first,
                                    const TraceSettings& settings, const std::function<bool()>&) override {
    std::vector<TeacherAnswer> answers;
    for (std::size_t i = 0; i < problems.size() * static_cast<std::size_t>(settings.samples); ++i) {
      if (++asked_ == fails_at) fail(ErrorKind::system, "the teacher is gone");
      Sample problem = problems[i / static_cast<std::size_t>(settings.samples)];
      const std::uint64_t number = first + i;
      if (number % 5 == 1) problem.answer = "no answer";
      std::string text = reply(problem, number % 5 != 2);
      answers.push_back({text, static_cast<int>(text.size()), number % 5 != 3});
    }
    return answers;
  }
  nlohmann::json describe() const override { return {{"name", name}}; }

  std::string name = "fixed";
  std::int64_t fails_at = 0;

 private:
  std::int64_t asked_ = 0;
};

class Traces : public testing::Test {
 protected:
  Traces() : folder_(fs::path(testing::TempDir()) / ("traces_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    settings_ = TraceSettings::parse(
        {{"mix", "addsub"}, {"problems", 50}, {"samples", 5}, {"keep", 0}, {"chunk", 8}, {"language", 0}}, "test");
  }
  ~Traces() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  static std::string bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string message_of(const std::function<void()>& what) {
    try {
      what();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  TraceEnd make(const std::string& name, bool resume = false, const std::function<bool()>& stop = {}) {
    return make_traces(teacher_, settings_, {at(name), resume, {}, stop});
  }

  fs::path folder_;
  TraceSettings settings_;
  FixedTeacher teacher_;
};

TEST_F(Traces, KeepsWhatIsGoodAndCountsAll) {
  const TraceEnd end = make("a.jsonl");
  EXPECT_TRUE(end.finished);
  EXPECT_EQ(end.counts.problems, 50);
  EXPECT_EQ(end.counts.answers, 250);
  EXPECT_EQ(end.counts.finished, 200);  // numbers 3 of 5 are cut
  EXPECT_EQ(end.counts.correct, 150);   // and 1 of 5 wrong
  EXPECT_EQ(end.counts.reasoned, 150);  // number 2 of 5 answers at once, and has no language
  EXPECT_EQ(end.counts.one_language, 150);
  EXPECT_EQ(end.counts.kept, 100);  // and 2 of 5 without thinking
  EXPECT_EQ(end.counts.solved, 50);
  std::ifstream file(at("a.jsonl"));
  std::int64_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const Document document = parse_document(line, "line");  // training reads it
    ASSERT_EQ(document.messages.size(), 2U);
    EXPECT_TRUE(take_apart(document.messages[1].content).well_formed);
    const auto trace = nlohmann::json::parse(line);
    EXPECT_EQ(take_apart(trace.at("completion").get<std::string>()).answer, trace.at("answer").get<std::string>());
  }
  EXPECT_EQ(lines, 100);
}

TEST_F(Traces, KeepsAtMostSoManyOfAProblem) {
  settings_.keep = 1;
  EXPECT_EQ(make("a.jsonl").counts.kept, 50);
  settings_.keep = 0;
  settings_.correct = settings_.reasoned = false;
  EXPECT_EQ(make("b.jsonl").counts.kept, 200);
}

TEST_F(Traces, AnInterruptedFileEndsTheSameWhateverTheChunks) {
  make("whole.jsonl");
  int asked = 0;
  EXPECT_FALSE(make("parts.jsonl", false, [&] { return ++asked == 3; }).finished);
  EXPECT_LT(bytes(at("parts.jsonl")).size(), bytes(at("whole.jsonl")).size());
  std::ofstream(at("parts.jsonl"), std::ios::app) << R"({"prompt": "half a li)";  // killed while writing
  settings_.chunk = 3;
  EXPECT_NE(message_of([&] { make("parts.jsonl"); }).find("--resume"), std::string::npos);
  teacher_.fails_at = 0;
  EXPECT_TRUE(make("parts.jsonl", true).finished);
  EXPECT_EQ(bytes(at("parts.jsonl")), bytes(at("whole.jsonl")));
  settings_.problems = 60;  // more of the same
  EXPECT_EQ(make("parts.jsonl", true).counts.problems, 60);
  EXPECT_TRUE(bytes(at("parts.jsonl")).starts_with(bytes(at("whole.jsonl"))));
}

TEST_F(Traces, ATeacherThatFailsLosesNothing) {
  make("whole.jsonl");
  teacher_.fails_at = 350;  // of all answers asked: in the middle of the second file
  EXPECT_NE(message_of([&] { make("broken.jsonl"); }).find("gone"), std::string::npos);
  EXPECT_TRUE(bytes(at("whole.jsonl")).starts_with(bytes(at("broken.jsonl"))));
  EXPECT_TRUE(make("broken.jsonl", true).finished);
  EXPECT_EQ(bytes(at("broken.jsonl")), bytes(at("whole.jsonl")));
}

TEST_F(Traces, OtherSettingsOrAnotherTeacherAreRefused) {
  make("a.jsonl");
  teacher_.name = "other";
  EXPECT_NE(message_of([&] { make("a.jsonl", true); }).find("teacher/name was \"fixed\", is \"other\""),
            std::string::npos);
  teacher_.name = "fixed";
  settings_.temperature = 0.5;
  EXPECT_NE(message_of([&] { make("a.jsonl", true); }).find("temperature"), std::string::npos);
  std::ofstream(at("mine.jsonl")) << "{}\n";
  EXPECT_NE(message_of([&] { make("mine.jsonl", true); }).find("no file of traces"), std::string::npos);
  EXPECT_EQ(bytes(at("mine.jsonl")), "{}\n");
  EXPECT_NE(message_of([] {
              TraceSettings::parse({{"problem", 3}}, "t.json");
            }).find("problem: unknown field"),
            std::string::npos);
}

// An endpoint.
class Endpoint : public Traces {
 protected:
  static Reply said(const nlohmann::json& message, const char* reason = "stop") {
    return {.body = nlohmann::json{{"choices", {{{"message", message}, {"finish_reason", reason}}}},
                                   {"usage", {{"completion_tokens", 7}}}}
                        .dump()};
  }
  std::vector<TeacherAnswer> ask(const TestServer::Handler& handler) {
    const TestServer server(handler);
    const std::unique_ptr<Teacher> teacher = endpoint_teacher(server.url() + "/v1/", "r1", "secret");
    settings_.samples = 2;
    const std::vector<Sample> problems = {mixed_sample(settings_.mix, Split::train, 1, 0).sample};
    std::vector<TeacherAnswer> answers = teacher->answer(problems, 0, settings_, [] { return false; });
    requests_ = server.requests();
    return answers;
  }
  std::vector<test::Request> requests_;
};

TEST_F(Endpoint, ItsAnswersAreReadInBothForms) {
  const std::vector<TeacherAnswer> apart = ask([](const test::Request&) {
    return said({{"content", " 42"}, {"reasoning_content", "ones 2\n"}});
  });
  ASSERT_EQ(apart.size(), 2U);
  EXPECT_EQ(apart[0].reply, "<think>\nones 2\n</think>\n\n42");
  EXPECT_EQ(apart[0].tokens, 7);
  EXPECT_TRUE(apart[0].finished);
  ASSERT_EQ(requests_.size(), 2U);
  EXPECT_EQ(requests_[0].method, "POST");
  EXPECT_EQ(requests_[0].target, "/v1/chat/completions");
  EXPECT_EQ(requests_[0].header("authorization"), "Bearer secret");
  const auto one = nlohmann::json::parse(requests_[0].body), two = nlohmann::json::parse(requests_[1].body);
  EXPECT_EQ(one.at("model"), "r1");
  EXPECT_EQ(one.at("messages").at(0).at("content"), mixed_sample(settings_.mix, Split::train, 1, 0).sample.prompt);
  EXPECT_NE(one.at("seed"), two.at("seed"));
  EXPECT_EQ(ask([](const test::Request&) {
              return said({{"content", "<think>\na\n</think>\n\n42"}});
            })[1]
                .reply,
            "<think>\na\n</think>\n\n42");
  EXPECT_FALSE(ask([](const test::Request&) { return said({{"content", "4"}}, "length"); })[0].finished);
  EXPECT_EQ(ask([](const test::Request&) {
              return said({{"content", nullptr}, {"reasoning_content", nullptr}});
            })[0]
                .reply,
            "");
}

TEST_F(Endpoint, WhatIsNoAnswerIsAnErrorThatNamesIt) {
  for (const char* body : {"<html>hello</html>", "[]", "{}", R"({"choices": []})", R"({"choices": [3]})",
                           R"({"choices": [{"text": "x"}]})"})
    EXPECT_NE(message_of([&] {
                ask([&](const test::Request&) { return Reply{.body = body}; });
              }).find("/v1/chat/completions: expected"),
              std::string::npos)
        << body;
  const std::string refused = message_of(
      [&] { ask([](const test::Request&) { return Reply{.status = 401, .body = R"({"error": "no key"})"}; }); });
  EXPECT_NE(refused.find("status 401"), std::string::npos) << refused;
  EXPECT_NE(refused.find("no key"), std::string::npos) << refused;
}

TEST_F(Endpoint, OneThatIsBusyIsAskedAgain) {
  std::atomic<int> count{0};
  const auto answers = ask([&](const test::Request&) {
    return ++count == 1 ? Reply{.status = 503, .headers = {{"Retry-After", "0"}}} : said({{"content", "42"}});
  });
  EXPECT_EQ(answers[0].reply, "42");
  EXPECT_EQ(count, 3);
}

TEST_F(Endpoint, WaitingForOneThatIsDownCanBeStopped) {
  const std::unique_ptr<Teacher> teacher = endpoint_teacher("http://127.0.0.1:9", "r1", "");
  const std::vector<Sample> problems = {mixed_sample(settings_.mix, Split::train, 1, 0).sample};
  const auto start = std::chrono::steady_clock::now();
  const std::function<bool()> stop = [&] {
    return std::chrono::steady_clock::now() - start > std::chrono::milliseconds(200);
  };
  EXPECT_THROW(teacher->answer(problems, 0, settings_, stop), Error);
  EXPECT_THROW(endpoint_teacher("not an address", "r1", ""), Error);
}

}  // namespace
