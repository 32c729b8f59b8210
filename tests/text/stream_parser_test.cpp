// The stream parser: what each format and fault gives, and that no cutting of the text changes it.
#include "text/stream_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

namespace limpid {
namespace {

using Kind = StreamEvent::Kind;
using Options = StreamParser::Options;

// Events as text, those of one kind joined: "T:..|A:..|C:name(arguments)". The pieces of a call must be the whole call.
class Transcript {
 public:
  ~Transcript() { EXPECT_FALSE(open_) << "a call that has begun ends"; }
  void add(const std::vector<StreamEvent>& events) {
    for (const StreamEvent& event : events) {
      if (event.kind == Kind::call_begin) {
        EXPECT_FALSE(open_);
        open_ = true;
        begun_ = event.call;
        EXPECT_EQ(event.call.arguments, "");
        continue;
      }
      if (event.kind == Kind::call_arguments) {
        EXPECT_TRUE(open_);
        EXPECT_FALSE(event.call.arguments.empty());
        EXPECT_EQ(valid_utf8_prefix(event.call.arguments), event.call.arguments.size());
        EXPECT_EQ(event.call.index, begun_.index);
        begun_.arguments += event.call.arguments;
        ++pieces;
        continue;
      }
      EXPECT_EQ(open_, event.kind == Kind::tool_call) << "nothing comes between its parts";
      if (event.kind == Kind::tool_call) {
        open_ = false;
        EXPECT_EQ(event.call.name, begun_.name);
        EXPECT_EQ(event.call.id, begun_.id);
        EXPECT_EQ(event.call.index, begun_.index);
        EXPECT_EQ(event.call.arguments, taken_ + begun_.arguments);
        taken_.clear();
      }
      if (event.kind == Kind::thinking || event.kind == Kind::answer) {
        EXPECT_FALSE(event.text.empty());
        EXPECT_EQ(valid_utf8_prefix(event.text), event.text.size());
        const char kind = event.kind == Kind::thinking ? 'T' : 'A';
        if (kind != last_) text_ += std::string(text_.empty() ? "" : "|") + kind + ':';
        text_ += event.text;
        last_ = kind;
      } else if (event.kind == Kind::tool_call) {
        const ToolCall& call = event.call;
        text_ += (text_.empty() ? "" : "|") + ("C" + std::to_string(call.index)) + ":" + call.name + "(" +
                 call.arguments + ")" + (call.id.empty() ? "" : "#" + call.id) + (call.complete ? "" : "...");
        last_ = 'C';
      } else {
        text_ += "|!";
        last_ = '!';
      }
    }
  }
  const std::string& text() const { return text_; }
  // Of the call that is open: what came of it, and what came together.
  std::string take() {
    taken_ += begun_.arguments;
    return std::exchange(begun_.arguments, {});
  }
  int pieces = 0;

 private:
  bool open_ = false;
  ToolCall begun_;
  std::string text_, taken_;
  char last_ = 0;
};

std::string parse(const std::string& text, const Options& options, const std::vector<std::size_t>& cuts = {}) {
  StreamParser parser(options);
  Transcript transcript;
  std::size_t start = 0;
  for (const std::size_t cut : cuts) {
    transcript.add(parser.push(std::string_view(text).substr(start, cut - start)));
    start = cut;
  }
  transcript.add(parser.push(std::string_view(text).substr(start)));
  transcript.add(parser.finish());
  return transcript.text();
}

constexpr Options plain{};
constexpr Options thinker{.thinks = true};
constexpr Options prompted{.thinks = true, .starts_thinking = true};
constexpr Options deepseek{.thinks = true, .starts_thinking = true, .tools = ToolFormat::deepseek};
constexpr Options hermes{.thinks = true, .tools = ToolFormat::hermes};
constexpr Options llama{.tools = ToolFormat::llama3};
constexpr Options kimi{.thinks = true, .tools = ToolFormat::kimi};

struct Case {
  Options options;
  std::string text, events;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      // thinking
      {plain, "Hello", "A:Hello"},
      {plain, "", ""},
      {plain, " \n", "A: \n"},
      {plain, "  Hello  \n", "A:  Hello  \n"},
      {plain, "<think>a</think>b", "A:<think>a</think>b"},
      {thinker, "<think>\na b\n</think>\n\nc d\n", "T:a b|A:c d\n"},
      {thinker, "no thinking", "A:no thinking"},
      {thinker, "  no thinking", "A:  no thinking"},
      {thinker, "\n<think>a</think>b", "T:a|A:b"},
      {thinker, "<think>\n\n</think>\n\nb", "A:b"},
      {thinker, "<think></think>", ""},
      {thinker, "<think>", ""},
      {thinker, "<think>a", "T:a"},
      {thinker, "<think>a\n", "T:a\n"},
      {thinker, "<think><think>a</think></think>b", "T:a|A:b"},
      {thinker, "<think>a</think><think>b</think>c", "T:ab|A:c"},
      {thinker, "<think>a</think>b<think>c</think>d", "T:a|A:b<think>c</think>d"},
      {thinker, "<think>a <think> b</think>c", "T:a <think> b|A:c"},
      {thinker, "a b</think>c", "A:a b|!|A:c"},
      {thinker, "a</think>c</think>d", "A:a|!|A:c</think>d"},
      {thinker, "</think>c", "A:c"},
      {thinker, "about <think> tags", "A:about <think> tags"},
      {thinker, "a <thin", "A:a <thin"},
      {thinker, "<thinker>", "A:<thinker>"},
      {thinker, "<think>a</thin", "T:a</thin"},
      {thinker, "<think>a < b << c </ d</think>e<", "T:a < b << c </ d|A:e<"},
      {prompted, "a\n</think>\n\nb", "T:a|A:b"},
      {prompted, "<think>\na</think>b", "T:a|A:b"},
      {prompted, "\n<think>\n<think>a</think>b", "T:a|A:b"},
      {prompted, "</think>b", "A:b"},
      {prompted, "never closed", "T:never closed"},
      {prompted, "a</think>", "T:a"},
      {prompted, "思考 🤔\n</think>\n答え é", "T:思考 🤔|A:答え é"},
      // DeepSeek
      {deepseek,
       "x</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{\"a\": "
       "\"<b>\"}\n```<｜tool▁call▁end｜>\n"
       "<｜tool▁call▁begin｜>function<｜tool▁sep｜>put\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
       "T:x|C0:get({\"a\": \"<b>\"})|C1:put({})"},
      {deepseek,
       "x<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜> "
       "after",
       "T:x|C0:get({\"a\": 1})|A:after"},
      {deepseek, "</think>hi <｜tool▁call▁begin｜>get<｜tool▁sep｜>{}<｜tool▁call▁end｜>", "A:hi|C0:get({})"},
      {deepseek, "</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{\"a\": 1",
       "C0:get({\"a\": 1)..."},
      {deepseek, "</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>junk<｜tool▁call▁end｜>b",
       "A:<｜tool▁call▁begin｜>junk<｜tool▁call▁end｜>b"},
      {deepseek, "</think><｜tool▁calls▁begin｜>oops", "A:oops"},
      {deepseek, "</think>a <｜tool▁ca", "A:a <｜tool▁ca"},
      // Qwen and Hermes
      {hermes,
       "<think>t</think>\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"</tool_call>\", \"y\": [1, "
       "{}]}}\n</tool_call>\n",
       "T:t|C0:f({\"x\": \"</tool_call>\", \"y\": [1, {}]})"},
      {hermes, "<tool_call>{\"arguments\": {\"x\": 1}, \"name\": \"f\"}</tool_call>",
       "C0:f({\"x\":1})"},  // not as it comes
      {hermes, "<tool_call>{\"name\": \"\\u0066\", \"arguments\": {\"name\": 2}}</tool_call>", "C0:f({\"name\": 2})"},
      // The model forgot a brace, or two.
      {hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}</tool_call> z", "C0:f({\"x\": 1})|A:z"},
      {hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": {\"y\": 1}\n</tool_call> z",
       "C0:f({\"x\": {\"y\": 1}\n)...|A:z"},
      {hermes,
       "Sure.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n<tool_call>{\"name\": \"g\", "
       "\"arguments\": \"{}\"}</tool_call> ok",
       "A:Sure.|C0:f({})|C1:g({})|A:ok"},
      {hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"\\\"}\"}}", "C0:f({\"a\": \"\\\"}\"})"},
      {hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1", "C0:f({\"a\": 1)..."},
      {hermes, "<tool_call>{\"name\": \"f\", \"argum", "A:<tool_call>{\"name\": \"f\", \"argum"},
      {hermes, "<tool_call>not json</tool_call> z", "A:<tool_call>not json</tool_call> z"},
      {hermes, "<tool_call>{\"nome\": 1}</tool_call> z", "A:<tool_call>{\"nome\": 1}</tool_call> z"},
      {hermes, "<tool_call>{]}</tool_call>", "A:<tool_call>{]}</tool_call>"},
      {hermes, "<tool_call>", "A:<tool_call>"},
      {hermes, "<tool_call> \n", "A:<tool_call> \n"},
      {hermes, "<tool_call>{\"name\": \"f\", \"arguments\": null} more", "C0:f({})|A:more"},
      {hermes, "<think>maybe <tool_call>x</tool_call></think>no", "T:maybe <tool_call>x</tool_call>|A:no"},
      // Llama 3.1
      {llama, "{\"name\": \"f\", \"parameters\": {\"x\": 1}}", "C0:f({\"x\": 1})"},
      {llama, "{\"name\": \"f\", \"parameters\": {\"x\": 1", "C0:f({\"x\": 1)..."},
      {llama, " {\"name\": \"f\", \"parameters\": {}} ; {\"name\": \"g\", \"parameters\": {}}", "C0:f({})|C1:g({})"},
      {llama, "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}", "C0:f({})"},
      {llama, "{\"a\": 1}", "A:{\"a\": 1}"},
      {llama, " {\"name\": 1} x", "A: {\"name\": 1} x"},
      {llama, "{\"name\": \"f\"", "A:{\"name\": \"f\""},
      {llama, "{", "A:{"},
      {llama, "text {\"name\": \"f\", \"parameters\": {}}", "A:text {\"name\": \"f\", \"parameters\": {}}"},
      {llama, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
       "C0:f({})|C1:g({})"},
      {llama, "<|python_tag|>brave_search.call(query=\"Paris, now\")", "C0:brave_search({\"query\":\"Paris, now\"})"},
      {llama, "a <|python_tag|>print({1: 2})\n", "A:a|C0:python({\"code\":\"print({1: 2})\"})"},
      {llama, "<|python_tag|>", "A:<|python_tag|>"},
      // Kimi
      {kimi,
       "Look:<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"c\": "
       "\"北京\"}<|tool_call_end|>"
       "<|tool_call_begin|>functions.f:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
       "A:Look:|C0:get_weather({\"c\": \"北京\"})#functions.get_weather:0|C1:f({})#functions.f:1"},
      {kimi, "<think>x<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_argument_begin|>{",
       "T:x|C0:f({)#f..."},
  };
  return all;
}

TEST(StreamParser, SplitsWhatModelsWrite) {
  for (const Case& c : cases()) EXPECT_EQ(parse(c.text, c.options), c.events) << c.text;
}

TEST(StreamParser, NoCuttingChangesTheEvents) {
  std::mt19937 random(12345);
  for (const Case& c : cases()) {
    std::vector<std::size_t> every;
    for (std::size_t i = 1; i < c.text.size(); ++i) {
      EXPECT_EQ(parse(c.text, c.options, {i}), c.events) << c.text << " cut at " << i;
      every.push_back(i);
    }
    EXPECT_EQ(parse(c.text, c.options, every), c.events) << c.text << " byte by byte";
    for (int round = 0; round < 20; ++round) {
      std::vector<std::size_t> cuts;
      for (const std::size_t at : every) {
        if (random() % 4 == 0) cuts.push_back(at);
      }
      EXPECT_EQ(parse(c.text, c.options, cuts), c.events) << c.text;
    }
  }
}

// Random strings of marks and pieces, in every format: one push, one push per byte and random cuts agree, and no text
// is lost.
TEST(StreamParser, NoCuttingChangesTheEventsOfNonsense) {
  const std::vector<std::string> pieces = {"<think>",
                                           "</think>",
                                           "<",
                                           "<th",
                                           "</",
                                           "a",
                                           " ",
                                           "\n",
                                           "é",
                                           "🤔",
                                           "{",
                                           "}",
                                           "\"",
                                           "\\",
                                           ";",
                                           "{\"name\"",
                                           ": \"f\"",
                                           ", \"arguments\": {}}",
                                           "<tool_call>",
                                           "</tool_call>",
                                           "<｜tool▁calls▁begin｜>",
                                           "<｜tool▁call▁begin｜>",
                                           "<｜tool▁sep｜>",
                                           "<｜tool▁call▁end｜>",
                                           "<｜tool▁calls▁end｜>",
                                           "<｜tool",
                                           "```json\n",
                                           "<|python_tag|>",
                                           "<|tool_calls_section_begin|>",
                                           "<|tool_call_begin|>",
                                           "<|tool_call_argument_begin|>",
                                           "<|tool_call_end|>",
                                           "<|tool_calls_section_end|>",
                                           "function",
                                           "{\"name\": \"g\", \"parameters\": {\"x\": \"}\"}}",
                                           "f.call(a=\"b\")",
                                           "\xff",
                                           "\xe2\x82"};
  std::mt19937 random(2024);
  for (int round = 0; round < 6000; ++round) {
    Options options{.thinks = random() % 4 != 0,
                    .starts_thinking = random() % 2 == 0,
                    .tools = static_cast<ToolFormat>(random() % 5)};
    std::string text;
    for (unsigned n = random() % 12; n > 0; --n) text += pieces[random() % pieces.size()];
    const std::string whole = parse(text, options);
    std::vector<std::size_t> every, some;
    for (std::size_t i = 1; i < text.size(); ++i) {
      every.push_back(i);
      if (random() % 5 == 0) some.push_back(i);
    }
    ASSERT_EQ(parse(text, options, every), whole) << text;
    ASSERT_EQ(parse(text, options, some), whole) << text;
  }
}

TEST(StreamParser, HoldsBackNoMoreThanAMark) {
  StreamParser parser(hermes);
  const auto shown = [&](std::string_view text) {
    Transcript transcript;
    transcript.add(parser.push(text));
    return transcript.text();
  };
  EXPECT_EQ(shown("a <"), "A:a");  // a mark may follow: the blank before it would go, too
  EXPECT_EQ(shown("tool"), "");
  EXPECT_EQ(shown("s are"), "A: <tools are");
  EXPECT_EQ(shown(" nice"), "A: nice");
  EXPECT_EQ(shown("<x"), "A:<x");
  EXPECT_EQ(shown("\xf0\x9f"), "");
  EXPECT_EQ(shown("\xa4\x94"), "A:🤔");
}

// Every byte of the arguments comes when it is known to be one of them, whatever the format.
TEST(StreamParser, ArgumentsComeAsTheyAreWritten) {
  const struct {
    Options options;
    std::string before, behind;
  } cases[] = {
      {deepseek, "</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n",
       "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
      {deepseek, "</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>",
       "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
      {hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": ", "}\n</tool_call>"},
      {llama, "{\"name\": \"f\", \"parameters\": ", "}"},
      {kimi, "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>",
       "<|tool_call_end|><|tool_calls_section_end|>"},
  };
  const std::string arguments = "{\"text\": \"``` <b>北京</b>  \", \"n\": [1, {\"}\": 2}]}";
  for (const auto& [options, before, behind] : cases) {
    StreamParser parser(options);
    Transcript transcript;
    transcript.add(parser.push(before));
    std::string so_far;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      transcript.add(parser.push(std::string_view(arguments).substr(i, 1)));
      so_far += transcript.take();
      ASSERT_TRUE(arguments.starts_with(so_far)) << before << so_far;
      // White space and fences may end them, and the mark that does may begin with '<'; a character comes whole.
      const std::string now = arguments.substr(0, i + 1);
      if (now.find_last_of(" `<") != i && (now[i] & 0x80) == 0) {
        EXPECT_EQ(so_far, now) << before;
      }
    }
    EXPECT_GT(transcript.pieces, 30) << before;
    transcript.add(parser.push(behind));
    transcript.add(parser.finish());
  }
  for (const auto& [options, before, behind] : cases) {
    std::string id = options.tools == ToolFormat::kimi ? "#functions.f:0" : "";
    EXPECT_EQ(parse(before + arguments + behind, options), "C0:f(" + arguments + ")" + id);
  }
}

// Where an answer is calls or JSON, marks inside the JSON are text.
TEST(StreamParser, MarksInAnAnswerThatHasBegunAreText) {
  const auto only = [](ToolFormat format) { return Options{.tools = format, .only_calls_or_text = true}; };
  const std::string hermes_call = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  const std::string inside = "{\"a\": \"" + std::string("<tool_call>{}</tool_call>") + "\"}";
  EXPECT_EQ(parse(inside, only(ToolFormat::hermes)), "A:" + inside);
  EXPECT_EQ(parse(hermes_call + "\n" + hermes_call, only(ToolFormat::hermes)), "C0:f({})|C1:f({})");
  const std::string kimi_inside = "{\"a\": \"<|tool_call_begin|>f<|tool_call_argument_begin|>{}<|tool_call_end|>\"}";
  EXPECT_EQ(parse(kimi_inside, only(ToolFormat::kimi)), "A:" + kimi_inside);
}

TEST(StreamParser, TellsWhetherItIsThinking) {
  StreamParser parser(prompted);
  EXPECT_TRUE(parser.thinking());
  parser.push("a</thi");
  EXPECT_TRUE(parser.thinking());
  parser.push("nk>");
  EXPECT_FALSE(parser.thinking());
}

// What max_tokens cut inside a call: no text. What the model itself ended stays what it wrote.
TEST(StreamParser, ACallThatWasCutOffIsNoText) {
  const struct {
    Options options;
    std::string text, ended, cut;
  } cases[] = {
      {hermes, "Hm.<tool_call>{\"name\": \"f\", \"argu", "A:Hm.<tool_call>{\"name\": \"f\", \"argu", "A:Hm."},
      {hermes, "<tool_call>\n", "A:<tool_call>\n", ""},
      {hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call><tool_call>{\"na",
       "C0:f({})|A:<tool_call>{\"na", "C0:f({})"},
      {kimi, "<|tool_calls_section_begin|><|tool_call_begin|>", "A:<|tool_call_begin|>", ""},
      {kimi, "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a",
       "C0:f({\"a)#functions.f:0...", "C0:f({\"a)#functions.f:0..."},
      {hermes, "It is 4 < 5", "A:It is 4 < 5", "A:It is 4 < 5"},
      {llama, "{\"name\": \"f\", \"par", "A:{\"name\": \"f\", \"par",
       "A:{\"name\": \"f\", \"par"},  // JSON as an answer begins so, too
  };
  for (const auto& [options, text, ended, cut] : cases) {
    for (const bool was_cut : {false, true}) {
      Options free = options;
      free.thinks = false;
      StreamParser parser(free);
      Transcript said;
      said.add(parser.push(text));
      said.add(parser.finish(was_cut));
      EXPECT_EQ(said.text(), was_cut ? cut : ended) << text;
    }
  }
}

TEST(StreamParser, IsLinear) {
  for (const Options& options : {hermes, deepseek, llama, kimi, prompted}) {
    StreamParser parser(options);
    std::size_t bytes = 0;
    for (const StreamEvent& event :
         parser.push(options.tools == ToolFormat::hermes ? "<tool_call>{\"name\": \""
                     : options.tools == ToolFormat::deepseek ? "</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
                     : options.tools == ToolFormat::kimi ? "<|tool_call_begin|>"
                                                         : "{\"name\": \"")) {
      bytes += event.text.size();
    }
    for (int i = 0; i < 300'000; ++i) {
      for (const StreamEvent& event : parser.push("<<a")) bytes += event.text.size();
    }
    for (const StreamEvent& event : parser.finish()) bytes += event.text.size();
    EXPECT_GE(bytes, 900'000u);
  }
}

TEST(ToolFormat, IsReadFromTheTemplate) {
  EXPECT_EQ(tool_format_of("{{ '<｜tool▁calls▁begin｜>' }}"), ToolFormat::deepseek);
  EXPECT_EQ(tool_format_of("<tool_call>"), ToolFormat::hermes);
  EXPECT_EQ(tool_format_of("x <|python_tag|>"), ToolFormat::llama3);
  EXPECT_EQ(tool_format_of("<|tool_calls_section_begin|>"), ToolFormat::kimi);
  EXPECT_EQ(tool_format_of("{{ messages }}"), ToolFormat::none);
}

}  // namespace
}  // namespace limpid
