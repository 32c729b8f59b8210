// Conversation: what was said, to render the next prompt from, to save and to load.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace limpid {

struct ChatTurn {
  std::string user, thinking, answer;
  bool answered = false;
};

struct Conversation {
  std::string system;
  std::vector<ChatTurn> turns;

  // In the OpenAI form, with reasoning_content where the model thought: what templates take.
  nlohmann::ordered_json messages() const;
  // The system message and the last of the user's, for a model that takes every message by itself.
  nlohmann::ordered_json last_messages() const;

  // A JSON file {model, messages}; written whole or not at all. Throws Error(system).
  void save(const std::string& path, const std::string& model) const;
  // Throws Error(not_found | input) naming file and message.
  static Conversation load(const std::string& path);
};

}  // namespace limpid
