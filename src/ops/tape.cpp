#include "ops/tape.h"

#include "base/error.h"

namespace limpid {

const Trainable& Tape::at(const void* key) const {
  const auto found = parameters_.find(key);
  if (found == parameters_.end())
    fail(ErrorKind::unsupported, "training: a parameter of this model is not among the {} that the trainer holds",
         parameters_.size());
  return found->second;
}

void Tape::backward(Exec& ex) {
  Tape* const recording = std::exchange(ex.tape, nullptr);
  ex.sync();
  for (std::size_t i = closures_.size(); i-- > 0;) {
    closures_[i](ex);
    ex.sync();
  }
  ex.tape = recording;
}

}  // namespace limpid
