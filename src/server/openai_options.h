// What a request said about the form of its answer: for the encoders of OpenAI's format.
#pragma once

namespace limpid {

struct OpenaiOptions {
  bool include_usage = false;  // stream_options: a last event with the usage
  bool running_usage = false;  // stream_options.continuous_usage_stats: every chunk has the usage so far
  bool logprobs = false;
  int top_logprobs = 0;
  bool echo = false;     // completions: the prompt stands before the text
  bool experts = false;  // the experts that every token was routed to
};

}  // namespace limpid
