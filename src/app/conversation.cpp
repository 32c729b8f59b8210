#include "app/conversation.h"

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"

namespace limpid {

using Json = nlohmann::ordered_json;

Json Conversation::messages() const {
  Json out = Json::array();
  if (!system.empty()) out.push_back({{"role", "system"}, {"content", system}});
  for (const ChatTurn& turn : turns) {
    out.push_back({{"role", "user"}, {"content", turn.user}});
    if (!turn.answered) continue;
    Json message = {{"role", "assistant"}, {"content", turn.answer}};
    if (!turn.thinking.empty()) message["reasoning_content"] = turn.thinking;
    out.push_back(std::move(message));
  }
  return out;
}

Json Conversation::last_messages() const {
  Json out = Json::array();
  if (!system.empty()) out.push_back({{"role", "system"}, {"content", system}});
  if (!turns.empty()) out.push_back({{"role", "user"}, {"content", turns.back().user}});
  return out;
}

void Conversation::save(const std::string& path, const std::string& model) const {
  const Json out = {{"model", model}, {"messages", messages()}};
  AtomicFile file(path);
  file.write(out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  file.commit();
}

Conversation Conversation::load(const std::string& path) {
  const nlohmann::json file = read_json(path);
  const nlohmann::json& messages = file.is_object() && file.contains("messages") ? file["messages"] : file;
  if (!messages.is_array())
    fail(ErrorKind::input, "{}: messages: expected a list, found {}", path, messages.type_name());
  Conversation out;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const nlohmann::json& message = messages[i];
    const auto text = [&](const char* key) {
      if (!message.is_object() || !message.contains(key) || !message[key].is_string())
        fail(ErrorKind::input, "{}: messages[{}].{}: expected text", path, i, key);
      return message[key].get<std::string>();
    };
    const std::string role = text("role");
    if (role == "system" && i == 0) {
      out.system = text("content");
    } else if (role == "user") {
      out.turns.push_back({text("content"), {}, {}, false});
    } else if (role == "assistant" && !out.turns.empty() && !out.turns.back().answered) {
      ChatTurn& turn = out.turns.back();
      turn.answer = text("content");
      if (message.contains("reasoning_content")) turn.thinking = text("reasoning_content");
      turn.answered = true;
    } else {
      fail(ErrorKind::input, "{}: messages[{}]: a message of '{}' does not belong here", path, i, role);
    }
  }
  return out;
}

}  // namespace limpid
