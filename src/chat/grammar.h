// Grammars: an answer that is always valid JSON, JSON of a schema, or tool calls in the model's own format, by a rule
// on the logits. docs/structured_output.md says which schemas, in what order and with what white space.
//
// A Grammar is compiled once and immutable, as is the GrammarVocabulary of a model: both may be shared by any number of
// answers on any thread. grammar_rule() makes the LogitRule of one answer.
//
// Compiling takes bounded time and memory whatever the schema; what would need more, and every keyword that restricts
// but cannot be held, is refused with Error(input) naming its place.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "text/tool_calls.h"

namespace limpid {

class GrammarNet;
class GrammarVocabulary;

enum class GrammarWrites { value, calls, calls_or_value };

class Grammar {
 public:
  Grammar(GrammarNet net, GrammarWrites writes);
  ~Grammar();
  const GrammarNet& net() const { return *net_; }
  bool writes_calls() const { return writes_ != GrammarWrites::value; }  // tool calls, perhaps with text before them
  bool writes_value() const { return writes_ != GrammarWrites::calls; }  // JSON, which is the answer

 private:
  std::unique_ptr<const GrammarNet> net_;
  const GrammarWrites writes_;
};

// Any JSON object.
std::shared_ptr<const Grammar> json_object_grammar();

// Any value of the schema (an object or a boolean). Throws Error(input): "#/properties/x/pattern: ...".
std::shared_ptr<const Grammar> json_schema_grammar(const nlohmann::ordered_json& schema);

enum class ToolUse {
  automatic,  // text, and calls or none: the model's choice
  required,   // one call at least, and nothing else
};
struct ToolRules {
  ToolUse use = ToolUse::automatic;
  std::optional<std::string> name;  // only this tool
  bool parallel = true;             // more than one call in an answer
};
// Calls of these tools (the OpenAI form, chat/messages.h) in the model's format. Arguments always follow the function's
// parameters; where they cannot be held and the function is not "strict", they are any JSON object. answer, if any: the
// schema of an answer that is no call, instead of free text; without meaning where a call is required. Throws
// Error(unsupported) for ToolFormat::none, Error(input) naming the tool, or the place in the schema ("#/...").
std::shared_ptr<const Grammar> tool_grammar(const nlohmann::ordered_json& tools, const ToolRules& rules,
                                            ToolFormat format, const nlohmann::ordered_json* answer = nullptr);

// Where in the model's output the grammar begins and ends.
struct GrammarScope {
  bool inside_thinking = false;           // the prompt ends inside the thinking
  bool may_think = false;                 // the answer may begin with `open`
  std::vector<std::int32_t> open, close;  // the ids of "<think>" and "</think>"; empty: the model does not think
  std::string begun;                      // of the answer: stands at the end of the prompt
  std::vector<std::int32_t> end_ids;      // what ends an answer: possible once the text is complete, never before
};

// The thinking is free but for ids that end the answer or begin a tool call. Grammar and vocabulary are kept alive by
// the rule. Throws Error(unsupported) where the model's tokens cannot write what the grammar asks for, Error(input)
// where what was begun does not fit it.
std::shared_ptr<LogitRule> grammar_rule(std::shared_ptr<const Grammar> grammar,
                                        std::shared_ptr<const GrammarVocabulary> vocabulary, GrammarScope scope);

}  // namespace limpid
