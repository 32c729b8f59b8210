// WaitingAnswer: an answer that cannot begin yet, for its model is being loaded or its grammar compiled. No thread waits
// with it; its peer gets keep-alives, and is told in the right form should nothing come of it.
//
// Once a keep-alive was sent the status is 200 whatever comes, as in DeepSeek's API: a failure is then the body, or an
// event of the stream.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>

#include "server/answer_encoder.h"
#include "server/router.h"

namespace limpid {

class GenerationTable;

class WaitingAnswer {
 public:
  using Clock = std::chrono::steady_clock;

  WaitingAnswer(const Call& call, bool stream, std::shared_ptr<AnswerEncoder> encoder, GenerationTable& table);

  // By the table, several times in the time of a keep-alive. False: it does not wait any longer.
  bool tick(Clock::time_point now);
  // The answer begins: no keep-alive follows from here. Whether the head has gone out.
  bool begins();
  // It will not begin. Once; also after begins().
  void fail(const std::exception_ptr& thrown);

 private:
  const Call call_;
  const bool stream_;
  const std::shared_ptr<AnswerEncoder> encoder_;
  GenerationTable& table_;
  std::mutex mutex_;  // guards what follows
  Clock::time_point last_sent_ = Clock::now();
  bool over_ = false, head_sent_ = false;
};

}  // namespace limpid
