// Settings of `limpid serve`: each source, their precedence, and what is refused.
#include "app/serve_settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace limpid {
namespace {

class SettingsFile : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  std::string refusal(const std::string& text) {
    ServeSettings settings;
    try {
      read_settings_file(settings, write(text));
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }
  void TearDown() override { std::filesystem::remove(path_); }
  const std::string path_ =
      testing::TempDir() + "serve_settings_" + testing::UnitTest::GetInstance()->current_test_info()->name() + ".json";
};

TEST_F(SettingsFile, EveryKindOfValueIsRead) {
  ServeSettings settings;
  read_settings_file(settings, write(R"({"host": "::1", "port": 9000, "team": true, "allow_host": ["a", "b"],
    "cors": "https://a,https://b", "grace": 1.5, "models": ["m"]})"));
  EXPECT_EQ(settings.host, "::1");
  EXPECT_EQ(settings.port, 9000);
  EXPECT_TRUE(settings.team);
  EXPECT_EQ(settings.allow_host, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(settings.cors, (std::vector<std::string>{"https://a", "https://b"}));
  EXPECT_EQ(settings.grace, 1.5);
  EXPECT_EQ(settings.models, std::vector<std::string>{"m"});
  EXPECT_EQ(settings.max_tokens, 32768) << "what is not named stays";
}

TEST_F(SettingsFile, WhatIsWrongIsNamed) {
  EXPECT_NE(refusal(R"({"prot": 1})").find("no setting \"prot\""), std::string::npos);
  EXPECT_NE(refusal(R"({"port": 70000})").find("port: expected a number between 0 and 65535"), std::string::npos);
  EXPECT_NE(refusal(R"({"port": "x"})").find("port"), std::string::npos);
  EXPECT_NE(refusal(R"({"team": "maybe"})").find("expected true or false"), std::string::npos);
  EXPECT_NE(refusal(R"({"cors": [1]})").find("cors: expected a list of texts"), std::string::npos);
  EXPECT_NE(refusal("[]").find("expected an object"), std::string::npos);
  EXPECT_NE(refusal(R"({"port": 1, "port": 2})"), "");
}

TEST_F(SettingsFile, TheEnvironmentCountsBeforeTheFile) {
  ServeSettings settings;
  read_settings_file(settings, write(R"({"port": 9000, "host": "::1"})"));
  setenv("LIMPID_PORT", "9001", 1);
  read_settings_environment(settings);
  EXPECT_EQ(settings.port, 9001);
  EXPECT_EQ(settings.host, "::1");
  setenv("LIMPID_PORT", "-1", 1);
  EXPECT_THROW(read_settings_environment(settings), Error);
  unsetenv("LIMPID_PORT");
}

TEST(ServeSettings, ConnectionsOfOneAddressAreFewWhereStrangersAre) {
  ServeSettings settings;
  EXPECT_EQ(connections_of_address(settings), settings.connections);
  settings.team = true;
  EXPECT_EQ(connections_of_address(settings), settings.connections) << "a proxy on this machine is one address";
  settings.host = "0.0.0.0";
  EXPECT_EQ(connections_of_address(settings), 256);
  settings.connections = 100;
  EXPECT_EQ(connections_of_address(settings), 100);
  settings.connections_by_address = 5000;
  EXPECT_EQ(connections_of_address(settings), 5000);
}

TEST(ServeSettings, APublicAddressNeedsSomethingThatKeepsStrangersOut) {
  const auto refused = [](auto change) {
    ServeSettings settings;
    settings.host = "0.0.0.0";
    change(settings);
    try {
      check_settings(settings);
    } catch (const Error&) {
      return true;
    }
    return false;
  };
  EXPECT_TRUE(refused([](ServeSettings&) {}));
  EXPECT_FALSE(refused([](ServeSettings& s) { s.team = true; }));
  EXPECT_FALSE(refused([](ServeSettings& s) { s.api_key = "k"; }));
  EXPECT_FALSE(refused([](ServeSettings& s) { s.allow_anyone = true; }));
  EXPECT_TRUE(refused([](ServeSettings& s) { s.host = "example.org"; }));
  for (const char* host : {"127.0.0.1", "127.0.0.2", "::1", "localhost"})
    EXPECT_FALSE(refused([&](ServeSettings& s) { s.host = host; })) << host;
  EXPECT_TRUE(refused([](ServeSettings& s) { s.host = "localhost", s.cert = "c.pem"; })) << "half a pair";
  EXPECT_TRUE(refused([](ServeSettings& s) { s.team = true, s.api_key = "k"; }));
}

}  // namespace
}  // namespace limpid
