// answer(): runs an AnswerRequest for whoever asked: the model is leased, the prompt counted, the request admitted, and
// a Generation started that says what comes out through the encoder. The same for every wire format.
#pragma once

#include <memory>
#include <string>

#include "server/admission.h"
#include "server/answer_encoder.h"
#include "server/answer_request.h"
#include "server/generation_table.h"
#include "server/grammar_cache.h"
#include "server/router.h"
#include "server/served_models.h"

namespace limpid {

// What handlers work with. All outlive the server.
struct Answering {
  ServedModels& models;
  Admission& admission;
  GenerationTable& generations;
  GrammarCache& grammars;
  std::int64_t default_max_tokens = 32768;  // of an answer whose request says nothing
};

// On a worker's thread. Returns when the answer is under way, or is to be: when its grammar is compiled, when it is admitted. id_prefix: "chatcmpl-". Throws ApiError, Error: nothing
// was answered then.
void answer(Answering& answering, const Call& call, AnswerRequest request, std::unique_ptr<AnswerEncoder> encoder,
            std::string_view id_prefix);

// A lease for who asks. What the tier may not use is not even loaded. Throws ApiError, Error.
std::shared_ptr<ModelLease> lease_for(const Answering& answering, const Identity& identity, const std::string& model);

// The ids of the models there are.
std::vector<std::string> served_ids(const ServedModels& models);

}  // namespace limpid
