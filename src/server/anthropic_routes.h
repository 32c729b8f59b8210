// The routes of Anthropic's format: /v1/messages and /v1/messages/count_tokens, also below /anthropic as DeepSeek has
// them.
#pragma once

#include "server/answer.h"
#include "server/router.h"

namespace limpid {

void add_anthropic_routes(Router& router, Answering& answering);

}  // namespace limpid
