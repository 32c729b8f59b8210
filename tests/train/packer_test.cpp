// Packing: every prediction of every document once, in order, whatever the batches; a state goes on with the same.
#include "train/packer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

using namespace limpid;

namespace {

// Document d has d % 7 + 2 ids (every fifth one 40), 100 d + i, the first two without weight.
class Counted final : public ExampleSource {
 public:
  TrainingExample next() override {
    const std::int32_t d = static_cast<std::int32_t>(at++);
    TrainingExample e;
    for (std::int32_t i = 0; i < (d % 5 == 4 ? 40 : d % 7 + 3); ++i) {
      e.ids.push_back(100 * d + i);
      e.weights.push_back(i < 2 ? 0.0F : 1.0F + 0.25F * static_cast<float>(i % 2));
    }
    return e;
  }
  nlohmann::json position() const override { return at; }
  void seek(const nlohmann::json& position) override { at = position.get<std::uint64_t>(); }
  std::uint64_t at = 0;
};

void check_shape(const PackedBatch& b, std::int64_t most, std::int64_t length) {
  ASSERT_LE(b.tokens(), most);
  std::int32_t row = 0;
  for (const PackedBatch::Place& place : b.places) {
    ASSERT_EQ(place.first_row, row);
    ASSERT_LE(place.rows, length);
    for (std::int32_t i = 0; i < place.rows; ++i, ++row) {
      ASSERT_EQ(b.positions[static_cast<std::size_t>(row)], i);
      if (i + 1 < place.rows) {
        ASSERT_EQ(b.targets[static_cast<std::size_t>(row)], b.ids[static_cast<std::size_t>(row) + 1]);
      }
    }
  }
  ASSERT_EQ(row, b.tokens());
}

TEST(Packer, MaskedKeepsDocumentsApartAndLosesNothing) {
  Counted source;
  Packer packer(source, {.length = 16, .mask_documents = true});
  std::vector<std::pair<std::int32_t, float>> seen;
  for (int step = 0; step < 20; ++step) {
    const std::vector<PackedBatch> batches = packer.take(60, 24);
    std::int64_t tokens = 0;
    for (const PackedBatch& b : batches) {
      check_shape(b, 24, 16);
      tokens += b.tokens();
      for (const PackedBatch::Place& place : b.places) {  // of one document
        const auto first = static_cast<std::size_t>(place.first_row);
        for (std::size_t r = first; r < first + static_cast<std::size_t>(place.rows); ++r) {
          EXPECT_EQ(b.ids[r] / 100, b.ids[first] / 100);
          EXPECT_EQ(b.targets[r], b.ids[r] + 1);
          seen.emplace_back(b.targets[r], b.weights[r]);
        }
      }
    }
    EXPECT_LE(tokens, 60);
    EXPECT_GT(tokens, 40);
  }
  Counted again;
  std::size_t at = 0;
  while (at < seen.size()) {
    const TrainingExample e = again.next();
    for (std::size_t i = 1; i < e.ids.size() && at < seen.size(); ++i, ++at) {
      ASSERT_EQ(seen[at].first, e.ids[i]);
      ASSERT_EQ(seen[at].second, e.weights[i]);
    }
  }
}

TEST(Packer, UnmaskedIsOneStreamInRowsOfOneLength) {
  Counted source;
  Packer packer(source, {.length = 16, .mask_documents = false});
  std::vector<std::int32_t> stream;
  for (int step = 0; step < 10; ++step)
    for (const PackedBatch& b : packer.take(48, 32)) {
      check_shape(b, 32, 16);
      for (const PackedBatch::Place& place : b.places) EXPECT_EQ(place.rows, 16);
      stream.insert(stream.end(), b.ids.begin(), b.ids.end());
    }
  ASSERT_EQ(stream.size(), 480U);
  Counted again;
  for (std::size_t at = 0; at < stream.size();)
    for (const std::int32_t id : again.next().ids)
      if (at < stream.size()) {
        ASSERT_EQ(stream[at++], id);
      }
}

TEST(Packer, AStateGoesOnWithTheSame) {
  for (const bool mask : {true, false}) {
    Counted source;
    Packer packer(source, {.length = 16, .mask_documents = mask});
    for (int i = 0; i < 7; ++i) packer.take(50, 50);
    const nlohmann::json state = nlohmann::json::parse(packer.state().dump());
    Counted other;
    Packer taken_up(other, {.length = 16, .mask_documents = mask});
    taken_up.restore(state);
    for (int i = 0; i < 5; ++i) {
      const std::vector<PackedBatch> a = packer.take(50, 50), b = taken_up.take(50, 50);
      ASSERT_EQ(a.size(), b.size());
      EXPECT_EQ(a[0].ids, b[0].ids);
      EXPECT_EQ(a[0].weights, b[0].weights);
    }
    EXPECT_THROW(taken_up.restore({{"ids", {1}}, {"weights", nlohmann::json::array()}, {"source", 0}}), Error);
    EXPECT_THROW(taken_up.restore({{"ids", "x"}}), Error);
  }
}

TEST(Packer, DocumentsWithoutAPredictionAreAnError) {
  class Empty final : public ExampleSource {
   public:
    TrainingExample next() override { return {{1, 2, 3}, {0, 0, 0}}; }
    nlohmann::json position() const override { return 0; }
    void seek(const nlohmann::json&) override {}
  } empty;
  for (const bool mask : {true, false}) {
    Packer packer(empty, {.length = 4096, .mask_documents = mask});
    EXPECT_THROW(packer.take(1 << 20, 1 << 20), Error);
  }
}

}  // namespace
