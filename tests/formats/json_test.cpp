#include "formats/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/formats/bytes.h"

namespace limpid {
namespace {

TEST(Json, ParsesWhatTheLibraryParses) {
  for (const char* text :
       {"null", "true", "[]", "{}", "-1", "18446744073709551615", "1.5e3", "\"\\u00e9\\ud83d\\ude00\"",
        R"({"a": [1, {"b": [[], {}, "x"]}], "c": {"d": null}, "e": 2.5})", " [1, 2, [3, [4]], {\"k\": [5]}] \n"})
    EXPECT_EQ(parse_json(text, "t"), nlohmann::json::parse(text)) << text;
}

TEST(Json, TheLastOfTwoKeysCountsUnlessRefused) {
  EXPECT_EQ(parse_json(R"({"a": {"x": 1}, "a": 2})", "t"), nlohmann::json::parse(R"({"a": 2})"));
  EXPECT_EQ(error_of([] { parse_json(R"({"a": 1, "b": {"a": 1, "a": 2}})", "t", {.unique_keys = true}); }),
            "t: JSON key 'a': expected once in its object, found twice");
  EXPECT_EQ(error_of([] { parse_json(R"([{"a": 1}, {"a": 2}])", "t", {.unique_keys = true}); }), "");
}

TEST(Json, OrderedKeepsTheOrderOfTheText) {
  for (const char* text : {R"({"z":1,"a":[{"y":{},"b":null}],"m":{"2":true,"1":"x"}})", "[]", "7", "{}"})
    EXPECT_EQ(parse_ordered_json(text, "t").dump(), text);
  EXPECT_EQ(parse_ordered_json(R"({"b": 1, "a": 2, "b": {"d": 3, "c": 4}})", "t").dump(),
            R"({"b":{"d":3,"c":4},"a":2})");
  EXPECT_EQ(error_of([] { parse_ordered_json(R"({"b": 1, "a": 1, "b": 1})", "t", {.unique_keys = true}); }),
            "t: JSON key 'b': expected once in its object, found twice");
  EXPECT_EQ(error_of([] { parse_ordered_json("[[1]]", "t", {.depth = 1}); }),
            "t: JSON nesting: expected at most 1 levels, found more");
}

// Many keys, each twice: the order and the last values hold beyond the length where the keys get an index, in time that
// is linear (200 000 keys searched one by one would take a minute).
TEST(Json, OrderedTakesObjectsOfManyKeys) {
  std::string text = "{", expected = "{";
  for (int pass = 0; pass < 2; ++pass)
    for (int i = 0; i < 200'000; ++i) {
      const std::string key = "\"k" + std::to_string((i * 7919LL) % 200'000) + "\":";
      text += (text.size() > 1 ? "," : "") + key + std::to_string(pass);
      if (pass == 0) expected += (i > 0 ? "," : "") + key + "1";
    }
  EXPECT_EQ(parse_ordered_json(text + "}", "t").dump(), expected + "}");
}

TEST(Json, NamesFileAndByte) {
  const auto message = [](std::string_view text) { return error_of([&] { parse_json(text, "some.json"); }); };
  EXPECT_NE(message("{\"a\": 1,}").find("some.json: byte 9: expected JSON, found a syntax error"), std::string::npos)
      << message("{\"a\": 1,}");
  for (const char* text : {"", "{", "[1", "\"\xff\"", "\"\xc3\"", "nul", "1 2", "{\"a\" 1}", "[NaN]", "\"\\ud800\"",
                           "\"\n\"", "'a'", "1e999", "// x\n1"})
    EXPECT_EQ(message(text).rfind("some.json: byte ", 0), 0U) << text << ": " << message(text);
}

TEST(Json, BoundsDepthAndSize) {
  const std::string deep(64, '['), close(64, ']');
  EXPECT_EQ(error_of([&] { parse_json(deep + close, "t"); }), "");
  EXPECT_EQ(error_of([&] { parse_json("[" + deep + close + "]", "t"); }),
            "t: JSON nesting: expected at most 64 levels, found more");
  EXPECT_EQ(error_of([&] { parse_json(std::string(50'000'000, '['), "t"); }),
            "t: JSON nesting: expected at most 64 levels, found more");
  EXPECT_EQ(error_of([&] { parse_json("[1, 2]", "t", {.bytes = 5}); }),
            "t: size of the JSON text: expected at most 5 bytes, found 6");
  EXPECT_EQ(error_of([&] { parse_json(R"({"a": [1, 2]})", "t", {.values = 4}); }), "");
  EXPECT_EQ(error_of([&] { parse_json(R"({"a": [1, 2]})", "t", {.values = 3}); }),
            "t: JSON values: expected at most 3, found more");
}

TEST(Json, ReadsFiles) {
  TemporaryFolder folder;
  write_file(folder / "a.json", "{\"a\": [true]}");
  EXPECT_EQ(read_json(folder / "a.json"), nlohmann::json::parse("{\"a\": [true]}"));
  EXPECT_NE(error_of([&] { read_json(folder / "none.json"); }).find("none.json: No such file"), std::string::npos);
}

}  // namespace
}  // namespace limpid
