// The fields of a request that say how tokens are picked and where an answer ends: the same in chat and completions.
#pragma once

#include "server/answer_request.h"
#include "server/request_fields.h"

namespace limpid {

inline constexpr int kMostChoices = 16;
inline constexpr int kMostStops = 16;  // DeepSeek's limit; OpenAI's is 4
inline constexpr int kMostBias = 1024;

// temperature, top_p, top_k, min_p, penalties, seed, logit_bias, stop, ignore_eos, n, user. Throws ApiError.
void read_sampling(RequestFields& fields, AnswerRequest& request);

// What was asked about temperature and penalties (and top_p) is ignored: a thinking mode that does not take them.
void ignore_sampling(AnswerRequest& request, bool top_p);

}  // namespace limpid
