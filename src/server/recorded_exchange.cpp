#include "server/recorded_exchange.h"

namespace limpid {

RecordedExchange::RecordedExchange(std::shared_ptr<HttpExchange> inner, HttpFields fields, Done done)
    : inner_(std::move(inner)), fields_(std::move(fields)), done_(std::move(done)) {}

RecordedExchange::~RecordedExchange() {
  done_({status_, bytes_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(), whole_});
}

void RecordedExchange::respond(ServedResponse response) {
  status_ = response.status;
  bytes_ = response.body.size();
  whole_ = inner_->open();
  response.headers.insert(response.headers.end(), fields_.begin(), fields_.end());
  inner_->respond(std::move(response));
}

void RecordedExchange::begin(int status, HttpFields headers) {
  status_ = status;
  headers.insert(headers.end(), fields_.begin(), fields_.end());
  inner_->begin(status, std::move(headers));
}

bool RecordedExchange::send(std::string_view bytes) {
  bytes_ += bytes.size();
  return inner_->send(bytes);
}

void RecordedExchange::end() {
  whole_ = inner_->open();
  inner_->end();
}

}  // namespace limpid
