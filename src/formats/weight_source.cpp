#include "formats/weight_source.h"

#include <utility>

#include "base/error.h"
#include "formats/gguf.h"

namespace limpid {

const Weight* WeightSource::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &weights_[found->second];
}

const Weight& WeightSource::at(std::string_view name) const {
  const Weight* found = find(name);
  if (!found)
    fail(ErrorKind::input, "{}: tensor '{}': expected in the file, found no such tensor among {}", path_, name,
         weights_.size());
  return *found;
}

void WeightSource::add(Weight weight) {
  index_.emplace(weight.name, weights_.size());
  weights_.push_back(weight);
}

GgufWeights::GgufWeights(std::shared_ptr<const GgufFile> file)
    : WeightSource(Format::gguf, file->path()), file_(std::move(file)) {
  for (std::size_t i = 0; i < file_->part_count(); ++i) files_.push_back(file_->part_path(static_cast<int>(i)));
  for (const GgufTensor& tensor : file_->tensors()) {
    Weight weight;
    weight.name = tensor.name;
    weight.type = tensor.type;
    weight.rank = tensor.rank;
    for (int i = 0; i < tensor.rank; ++i)
      weight.shape[static_cast<std::size_t>(i)] = tensor.dims[static_cast<std::size_t>(tensor.rank - 1 - i)];
    weight.data = tensor.data;
    weight.file = tensor.part;
    weight.offset = tensor.offset;
    add(weight);
  }
}

void GgufWeights::drop_bytes(const Weight& weight, std::size_t begin, std::size_t size) const {
  const GgufTensor* tensor = file_->tensor(weight.name);
  if (tensor == nullptr) return;
  GgufTensor part = *tensor;
  part.offset += begin;
  part.data = part.data.subspan(begin, size);
  file_->drop(part);
}

}  // namespace limpid
