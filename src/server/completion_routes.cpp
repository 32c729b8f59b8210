#include "server/completion_encoder.h"
#include "server/completion_request.h"
#include "server/routes.h"

namespace limpid {

void add_completion_routes(Router& router, Answering& answering) {
  Route create{"POST", "/v1/completions"};
  create.scope = "chat";
  create.computes = true;
  create.handler = [&answering](Call& call) {
    CompletionRequest request = parse_completion(call.request().body, served_ids(answering.models));
    auto encoder = std::make_unique<CompletionEncoder>(request.options);
    answer(answering, call, std::move(request.answer), std::move(encoder), "cmpl-");
  };
  create.doc = {
      "createCompletion", "Continue a text, or fill in its middle", "chat", "CompletionRequest", "Completion", true};
  router.add(std::move(create), without_version("/v1/completions"));
}

}  // namespace limpid
