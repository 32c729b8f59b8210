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
}

TEST(Json, ReadsFiles) {
  TemporaryFolder folder;
  write_file(folder / "a.json", "{\"a\": [true]}");
  EXPECT_EQ(read_json(folder / "a.json"), nlohmann::json::parse("{\"a\": [true]}"));
  EXPECT_NE(error_of([&] { read_json(folder / "none.json"); }).find("none.json: No such file"), std::string::npos);
}

}  // namespace
}  // namespace limpid
