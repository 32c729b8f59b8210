// Chat templates against Hugging Face: every published template over a set of conversations, and the template language
// piece by piece. The goldens are made by make_template_goldens.py.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/text/data_files.h"
#include "text/jinja.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

std::string message_of(const std::string& source, const Json& variables, const jinja::Limits& limits = {}) {
  try {
    return "rendered: " + jinja::Template(source).render(variables, 0, limits);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Jinja, RendersTheLanguageAsJinja2Does) {
  const Json variables = Json::parse(read_data("jinja_variables.json"));
  int rendered = 0, refused = 0;
  for (const Json& golden : Json::parse(read_data("jinja_goldens.json"))) {
    const std::string source = golden["template"];
    std::string text;
    bool failed = false;
    try {
      text = jinja::Template(source).render(variables, 0);
    } catch (const Error& error) {
      failed = true;
      text = error.what();
    }
    if (golden.contains("text")) {
      EXPECT_EQ(text, golden["text"].get<std::string>()) << source;
      ++rendered;
    } else {
      EXPECT_TRUE(failed) << source << "\ngave: " << text;
      ++refused;
    }
  }
  EXPECT_GE(rendered, 120);
  EXPECT_GE(refused, 30);
}

TEST(Jinja, RendersPublishedTemplatesAsHuggingFaceDoes) {
  const Json conversations = Json::parse(read_data("template_conversations.json"));
  const Json goldens = Json::parse(read_data("template_goldens.json"));
  int rendered = 0;
  for (const Json& golden : goldens["goldens"]) {
    if (!golden.contains("text")) continue;  // what Hugging Face refuses may render here
    const std::string name = golden["template"], conversation = golden["conversation"];
    const jinja::Template made(read_data("templates/" + name + ".jinja"), name);
    Json variables = golden["variables"];
    variables["messages"] = conversations[conversation]["messages"];
    for (Json& message : variables["messages"]) {  // Hugging Face gives a message's reasoning under both names
      if (message.contains("reasoning_content")) message["thinking"] = message["reasoning_content"];
    }
    variables["tools"] = conversations[conversation].contains("tools") ? goldens["tools"] : Json();
    variables["documents"] = nullptr;
    variables["add_generation_prompt"] = golden["add_generation_prompt"];
    try {
      EXPECT_EQ(made.render(variables, 0), golden["text"].get<std::string>()) << name << ": " << conversation;
    } catch (const Error& error) {
      ADD_FAILURE() << name << ": " << conversation << ": " << error.what();
    }
    ++rendered;
  }
  EXPECT_GE(rendered, 200);
}

TEST(Jinja, NamesTheLineOfAFault) {
  EXPECT_EQ(message_of("a\n{{ x.y }}", Json::object()), "chat template, line 2: 'x' is undefined");
  EXPECT_EQ(message_of("\n\n{% if 1 %}", Json::object()),
            "chat template, line 3: the template ends where '{% elif %}' was expected");
  EXPECT_EQ(message_of("{{ raise_exception('roles must alternate') }}", Json::object()),
            "chat template, line 1: the template refuses this conversation: roles must alternate");
  EXPECT_EQ(message_of("{% include 'x' %}", Json::object()),
            "chat template, line 1: the tag 'include' is not for chat templates");
}

TEST(Jinja, ListsMayBeChangedInPlace) {
  EXPECT_EQ(message_of("{% set q = [1] %}{% set _ = q.append(2) %}{{ q.pop(0) }}{{ q }}", Json::object()),
            "rendered: 1[2]");
  EXPECT_EQ(message_of("{% set q = [1] %}{% set _ = q.append(q) %}{{ q }}", Json::object()),
            "chat template, line 1: nested deeper than 400 levels");
}

TEST(Jinja, FormatsTheTimeItIsGiven) {
  EXPECT_EQ(jinja::Template("{{ strftime_now('%Y') }}").render(Json::object(), 86400 * 200), "1970");
}

TEST(Jinja, StopsHostileTemplates) {
  const Json none = Json::object();
  const auto stopped = [&](const std::string& source) {
    try {
      jinja::Limits limits;
      limits.steps = 3'000'000;  // a tenth of the default, for a fast test
      jinja::Template(source).render(none, 0, limits);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::resources || error.kind() == ErrorKind::input;
    }
    return false;
  };
  const std::string loop = "{% for a in range(100000) %}", end = "{% endfor %}";
  EXPECT_TRUE(stopped(loop + loop + loop + "x" + end + end + end));
  EXPECT_TRUE(stopped(loop + "{{ 'x' * 1000000 }}" + end));
  EXPECT_TRUE(stopped("{{ 'x' * 100000000000 }}"));
  EXPECT_TRUE(stopped("{{ [0] * 100000000000 }}"));
  EXPECT_TRUE(stopped("{% set s = 'x' * 1000000 %}{{ s.replace('x', s) }}"));
  EXPECT_TRUE(stopped("{% set ns = namespace(s='x') %}" + loop + "{% set ns.s = ns.s + ns.s %}" + end));
  EXPECT_TRUE(stopped("{% set ns = namespace(s=[1]) %}" + loop + "{% set ns.s = [ns.s, ns.s] %}" + end + "{{ ns.s }}"));
  EXPECT_TRUE(stopped("{% set ns = namespace(s=[1]) %}" + loop + "{% set ns.s = [ns.s, ns.s] %}" + end +
                      "{{ ns.s | tojson }}"));
  EXPECT_TRUE(stopped("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"));
  EXPECT_TRUE(stopped("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}"));
  EXPECT_TRUE(stopped("{{ '%999999999d' % 1 }}"));
  EXPECT_TRUE(stopped("{{ 'x'.center }}{{ 'x' | center(999999999999) }}"));
  EXPECT_TRUE(stopped("{{ range(1000000000) }}"));
  EXPECT_TRUE(stopped("{{ " + std::string(100000, '(') + "1"));
  EXPECT_TRUE(stopped("{{ " + std::string(100000, '-') + "1 }}"));
  EXPECT_TRUE(stopped("{{ " + std::string(100000, '[')));
  std::string chain = "{{ 1", nots = "{{ ", ifs;
  for (int i = 0; i < 100000; ++i) chain += "+1", nots += "not ", ifs += "{% if 1 %}";
  EXPECT_TRUE(stopped(chain + " }}"));
  EXPECT_TRUE(stopped(nots + "1 }}"));
  EXPECT_TRUE(stopped(ifs));
  std::string deep = "[";
  for (int i = 0; i < 2000; ++i) deep += "[";
  deep += std::string(2001, ']');
  EXPECT_THROW(jinja::Template("{{ x }}").render({{"x", Json::parse(deep)}}, 0), Error);
}

// A list of the characters of a text takes far more memory than the text: it is refused before it is made.
TEST(Jinja, StopsTemplatesThatCutLargeTextsUp) {
  jinja::Limits limits;
  limits.memory_bytes = 8u << 20;
  const std::string large = "{% set s = 'x' * 1000000 %}", small = "{% set s = 'x,' * 100000 %}";
  for (const char* use :
       {"s[0]", "s[::-1]", "s | list", "s.split()", "s.split('x')", "s.splitlines()", "s | replace('', 'y')",
        "s.replace('x', 'y')", "s | title", "s | truncate(9)", "s.strip(s)"}) {
    EXPECT_EQ(message_of(large + "{{ " + use + " }}", Json::object(), limits),
              "chat template, line 1: a text of 1000000 bytes to cut into pieces")
        << use;
  }
  EXPECT_EQ(message_of(small + "{{ s.split(',') | length }}", Json::object(), limits),
            "chat template, line 1: more than 8388608 bytes of values");
}

}  // namespace
}  // namespace limpid
