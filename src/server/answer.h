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
#include "server/model_loads.h"
#include "server/router.h"
#include "server/served_models.h"

namespace limpid {

// What handlers work with. All outlive the server.
struct Answering {
  ServedModels& models;
  Admission& admission;
  GenerationTable& generations;
  GrammarCache& grammars;
  ModelLoads& loads;
  std::int64_t default_max_tokens = 32768;  // of an answer whose request says nothing
  // Told of every prompt that is answered, whole, with the id of its request; from any thread. Empty: nobody is.
  std::function<void(const std::string& request_id, const std::string& prompt)> log_prompt{};
};

// On a worker's thread. Returns when the answer is under way, or is to be: when its model is loaded, its grammar
// compiled, when it is admitted; its peer gets keep-alives until then. id_prefix: "chatcmpl-". Throws ApiError, Error:
// nothing was answered then.
void answer(Answering& answering, const Call& call, AnswerRequest request, std::unique_ptr<AnswerEncoder> encoder,
            std::string_view id_prefix);

// `work` with a lease for who asks: here and now where the model is loaded, else when it is, on the threads for what
// takes long. What the tier may not use is not even loaded. Throws ApiError, Error; what `work` throws becomes the
// reply.
void with_model(const Answering& answering, const Call& call, const std::string& model,
                std::function<void(ModelLease&)> work);

// The ids of the models there are.
std::vector<std::string> served_ids(const ServedModels& models);

}  // namespace limpid
