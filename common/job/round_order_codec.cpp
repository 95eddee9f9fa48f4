#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <limits>
#include <utility>

#include "common/encoding/byte_reader.h"
#include "common/encoding/byte_writer.h"
#include "common/job/job_limits.h"
#include "common/job/labelled_digest.h"
#include "common/job/round_order.h"
#include "common/task/limits.h"

namespace consilium::job {
namespace {

constexpr std::string_view kMagic = "CRO2";
constexpr std::size_t kMaxFieldName = 255;
/// Bytes of the smallest field: length of the name and one letter, kind, elements, limbs.
constexpr std::size_t kMinFieldBytes = 1 + 1 + 1 + 8 + 1;

using Writer = encoding::ByteWriter;
using Reader = encoding::ByteReader;

constexpr double kLargest = std::numeric_limits<double>::max();

void write_field(Writer& writer, const encoding::Field& field) {
  const std::string_view name = std::string_view(field.name).substr(0, kMaxFieldName);
  writer.integer(static_cast<std::uint8_t>(name.size()));
  writer.text(name);
  writer.kind(field.kind);
  writer.integer(field.elements);
  if (field.kind == encoding::FieldKind::kCount) {
    writer.integer(static_cast<std::uint8_t>(field.limbs));
  } else {
    writer.number(field.bound);
    writer.number(field.scale);
  }
}

encoding::Field read_field(Reader& reader) {
  encoding::Field field;
  const auto length = reader.integer<std::uint8_t>("length of a field's name", 1, kMaxFieldName);
  for (const std::byte letter : reader.bytes(length)) {
    const char c = static_cast<char>(letter);
    if (c <= ' ' || c > '~') reader.refuse("a field's name has unprintable characters");
    field.name += c;
  }
  field.kind = reader.kind("kind of a field", encoding::FieldKind::kCount);
  field.elements = reader.integer<std::uint64_t>("elements of a field", 1, encoding::VectorLayout::kMaxWords);
  if (field.kind == encoding::FieldKind::kCount) {
    field.limbs = reader.integer<std::uint8_t>("limbs of a field", 1, 4);
  } else {
    field.bound = reader.number("bound of a field", kLargest);
    field.scale = reader.number("scale of a field", kLargest);
  }
  return field;
}

Result<encoding::VectorLayout> read_layout(Reader& reader) {
  const auto count = reader.integer<std::uint32_t>("number of fields", 1, kMaxOrderBytes);
  if (count > reader.left() / kMinFieldBytes) reader.refuse("ends too early");
  std::vector<encoding::Field> fields;
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) fields.push_back(read_field(reader));
  if (!reader.ok()) return fail(ErrorCode::kInvalidArgument, reader.error());
  return encoding::VectorLayout::create(std::move(fields));
}

void write_labels(Writer& writer, const task::LabelCounts& labels) {
  writer.integer(static_cast<std::uint32_t>(labels.classes.size()));
  if (labels.empty()) return;
  writer.integer(labels.examples);
  for (const std::uint64_t count : labels.classes) writer.integer(count);
}

task::LabelCounts read_labels(Reader& reader) {
  task::LabelCounts labels;
  const auto classes = reader.integer<std::uint32_t>("number of label counts", 0, task::kMaxClasses);
  if (classes == 0) return labels;
  if (classes > reader.left() / sizeof(std::uint64_t)) reader.refuse("ends too early");
  labels.examples = reader.integer<std::uint64_t>("counted examples", 1, UINT64_MAX);
  for (std::uint32_t i = 0; i < classes && reader.ok(); ++i)
    labels.classes.push_back(reader.integer<std::uint64_t>("label count", 0, labels.examples));
  return labels;
}

void write_training(Writer& writer, const RoundOrder& order) {
  writer.integer(order.local_epochs);
  writer.integer(order.batch_size);
  writer.kind(order.optimizer.kind);
  const OptimizerSpec& o = order.optimizer;
  for (const double value :
       {o.learning_rate, o.momentum, o.weight_decay, o.beta1, o.beta2, o.epsilon, order.proximal_mu}) {
    writer.number(value);
  }
  writer.integer(order.time_limit_ms);
  writer.integer(static_cast<std::uint8_t>(order.keep_partial ? 1 : 0));
  writer.kind(order.weighting);
}

void read_training(Reader& reader, RoundOrder& order) {
  order.local_epochs = reader.integer<std::uint32_t>("local_epochs", 1, kMaxLocalEpochs);
  order.batch_size = reader.integer<std::uint32_t>("batch_size", 1, kMaxBatchSize);
  order.optimizer.kind = reader.kind("optimizer", OptimizerKind::kAdamW);
  order.optimizer.learning_rate = reader.number("learning_rate", kLargest);
  order.optimizer.momentum = reader.number("momentum", 1.0);
  order.optimizer.weight_decay = reader.number("weight_decay", kLargest);
  order.optimizer.beta1 = reader.number("beta1", 1.0);
  order.optimizer.beta2 = reader.number("beta2", 1.0);
  order.optimizer.epsilon = reader.number("epsilon", kLargest);
  order.proximal_mu = reader.number("proximal_mu", kLargest);
  order.time_limit_ms = reader.integer<std::uint64_t>("time_limit_ms", 0, kMaxTimeLimitMs);
  order.keep_partial = reader.integer<std::uint8_t>("keep_partial", 0, 1) == 1;
  order.weighting = reader.kind("weighting", Weighting::kPopulation);
}

Result<RoundOrder> read_order(Reader& reader) {
  RoundOrder order;
  const auto magic = reader.bytes(kMagic.size());
  if (reader.ok() && std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0)
    reader.refuse("does not begin with CRO2");
  order.kind = reader.kind("kind", SumKind::kEvaluate);
  const bool training = order.kind == SumKind::kTrain;
  order.round = reader.integer<std::uint32_t>("round", training ? 1 : 0, kMaxRounds);
  order.attempt = reader.integer<std::uint32_t>("attempt", 1, UINT32_MAX);
  order.group = reader.integer<std::uint32_t>("group", 0, kMaxCountGroups - 1);
  order.job = reader.digest();
  order.model = reader.digest();
  order.seed = reader.integer<std::uint64_t>("seed", 0, UINT64_MAX);
  order.normaliser = reader.integer<std::uint64_t>("normaliser", training ? 1 : 0, UINT64_MAX);
  if (order.kind == SumKind::kCensus && (order.model != crypto::Digest{} || order.normaliser != 0)) {
    reader.refuse("a census has neither a model nor a normaliser");
  }
  if (!reader.ok()) return fail(ErrorCode::kInvalidArgument, reader.error());
  order.labels = read_labels(reader);
  if (order.kind == SumKind::kCensus && !order.labels.empty())
    reader.refuse("the label counts are not known before the census; expected none");
  if (!reader.ok()) return fail(ErrorCode::kInvalidArgument, reader.error());
  CONSILIUM_ASSIGN(order.layout, read_layout(reader));
  if (training) read_training(reader, order);
  if (order.kind == SumKind::kEvaluate) order.split = reader.kind("split", Split::kTest);
  if (reader.ok() && reader.left() != 0) reader.refuse(fmt::format("{} bytes too many", reader.left()));
  if (!reader.ok()) return fail(ErrorCode::kInvalidArgument, reader.error());
  return order;
}

}  // namespace

std::vector<std::byte> encode(const RoundOrder& order) {
  Writer writer;
  writer.text(kMagic);
  writer.kind(order.kind);
  writer.integer(order.round);
  writer.integer(order.attempt);
  writer.integer(order.group);
  writer.bytes(std::as_bytes(std::span(order.job)));
  writer.bytes(std::as_bytes(std::span(order.model)));
  writer.integer(order.seed);
  writer.integer(order.normaliser);
  write_labels(writer, order.labels);
  writer.integer(static_cast<std::uint32_t>(order.layout.fields().size()));
  for (const encoding::Field& field : order.layout.fields()) write_field(writer, field);
  if (order.kind == SumKind::kTrain) write_training(writer, order);
  if (order.kind == SumKind::kEvaluate) writer.kind(order.split);
  return writer.take();
}

Result<RoundOrder> decode_round_order(std::span<const std::byte> bytes) {
  if (bytes.size() > kMaxOrderBytes) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("round order: {} bytes; expected at most {}", bytes.size(), kMaxOrderBytes));
  }
  Reader reader(bytes);
  auto order = read_order(reader);
  if (!order) return fail(order.error().within("round order"));
  return order;
}

crypto::Digest order_digest(std::span<const std::byte> encoded) {
  return labelled_digest("consilium/v1/round-order", encoded);
}

}  // namespace consilium::job
