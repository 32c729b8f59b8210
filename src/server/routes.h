// The routes of the API, by what they are about. Each function adds its own to the router; docs/api.md says what they
// do.
#pragma once

#include <functional>
#include <string>

#include "server/answer.h"
#include "server/router.h"

namespace limpid {

// /v1/chat/completions, its control and its resumed streams.
void add_chat_routes(Router& router, Answering& answering);
// /v1/completions, with /beta/completions (fill in the middle).
void add_completion_routes(Router& router, Answering& answering);
// /v1/models, /v1/models/{id}.
void add_model_routes(Router& router, Answering& answering);
// /user/balance where nothing is charged (a team has its own): always available.
void add_free_balance_route(Router& router);
// /tokenize, /detokenize, /apply-template.
void add_text_routes(Router& router, Answering& answering);

// Replies 200 with JSON text.
void reply_json(const Call& call, std::string json);

// A path with everything it is known by: "/v1/models" also as "/models" and "/beta/models".
std::vector<std::string> without_version(const std::string& path);

}  // namespace limpid
