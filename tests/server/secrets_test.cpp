#include "server/secrets.h"

#include <gtest/gtest.h>

#include <set>

namespace limpid {
namespace {

TEST(Secrets, Sha256IsThatOfTheStandard) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Secrets, AKeyHas256BitsBehindItsPublicId) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const ApiKeyText key = make_api_key();
    EXPECT_TRUE(key.text.starts_with("sk-" + key.id));
    EXPECT_EQ(key.text.size(), 3u + 12 + 64);
    EXPECT_EQ(api_key_id(key.text), key.id);
    EXPECT_EQ(key.hash, sha256_hex(key.text));
    EXPECT_EQ(key.hash.find(key.text.substr(15)), std::string::npos);
    EXPECT_TRUE(seen.insert(key.text.substr(15)).second);
  }
}

TEST(Secrets, WhatHasNotTheFormOfAKeyHasNoId) {
  const std::string key = make_api_key().text;
  EXPECT_EQ(api_key_id(""), "");
  EXPECT_EQ(api_key_id("sk-"), "");
  EXPECT_EQ(api_key_id(key + "0"), "");
  EXPECT_EQ(api_key_id(key.substr(0, key.size() - 1)), "");
  EXPECT_EQ(api_key_id("pk-" + key.substr(3)), "");
  std::string other = key;
  other[20] = 'G';
  EXPECT_EQ(api_key_id(other), "");
  other[20] = '\0';
  EXPECT_EQ(api_key_id(other), "");
}

TEST(Secrets, CodesAreForPeopleToType) {
  const std::string code = random_code();
  EXPECT_EQ(code.size(), 23u);
  for (std::size_t i = 0; i < code.size(); ++i) {
    EXPECT_EQ(code[i] == '-', i % 6 == 5) << code;
    EXPECT_EQ(std::string("ILOU").find(code[i]), std::string::npos) << code;
  }
  EXPECT_NE(code, random_code());
}

TEST(Secrets, Comparison) {
  EXPECT_TRUE(equal_secrets("abc", "abc"));
  EXPECT_FALSE(equal_secrets("abc", "abd"));
  EXPECT_FALSE(equal_secrets("abc", "abcd"));
  EXPECT_FALSE(equal_secrets("", "a"));
}

}  // namespace
}  // namespace limpid
