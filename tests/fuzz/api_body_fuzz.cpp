// Bodies of requests, by every wire format's parser: refused with a status of the client's, or read; nothing else.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/api_error.h"
#include "server/completion_request.h"
#include "server/openai_chat_request.h"

namespace {

template <typename Parse>
void run(Parse&& parse) {
  try {
    parse();
  } catch (const limpid::ApiError& error) {
    if (error.status < 400 || error.status >= 500) std::abort();
  } catch (const limpid::Error& error) {
    if (limpid::api_error(error).status >= 500) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  run([&] { limpid::parse_openai_chat(body, {"r1-nano"}); });
  run([&] { limpid::parse_completion(body, {"r1-nano"}); });
  return 0;
}
