#include "common/encoding/vector_layout.h"

#include <cmath>
#include <limits>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::encoding;

namespace {

TensorInfo tensor(std::string name, std::vector<std::int64_t> shape, TensorRole role) {
  TensorInfo info;
  info.name = std::move(name);
  info.shape = std::move(shape);
  info.role = role;
  return info;
}

}  // namespace

TEST_CASE("fields lie one after the other and are found by name") {
  const auto layout =
      VectorLayout::create({fixed_point_field("a", 5, 16.0), count_field("b", 3, 0xFFFFFFFF), count_field("c", 2, 1)});
  REQUIRE(layout.has_value());
  CHECK(layout->word_count() == 5 + 6 + 2);
  CHECK(layout->find("a")->offset == 0);
  CHECK(layout->find("b")->offset == 5);
  CHECK(layout->find("c")->offset == 11);
  CHECK(layout->find("d") == nullptr);
}

TEST_CASE("the scale is floor(2^30 / clip)") {
  CHECK(fixed_point_field("x", 1, 16.0).scale == 67108864.0);
  CHECK(fixed_point_field("x", 1, 3.0).scale == 357913941.0);
}

TEST_CASE("a count field takes as few limbs as hold its largest value") {
  CHECK(count_field("x", 1, 0).limbs == 1);
  CHECK(count_field("x", 1, 0xFFFF).limbs == 1);
  CHECK(count_field("x", 1, 0x10000).limbs == 2);
  CHECK(count_field("x", 1, 0xFFFFFFFF).limbs == 2);
  CHECK(count_field("x", 1, 0x100000000).limbs == 3);
  CHECK(count_field("x", 1, ~std::uint64_t{0}).limbs == 4);
}

TEST_CASE("a layout that lies about its sizes is refused, the field named") {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto field = [](auto change) {
    Field bad = fixed_point_field("bad", 4, 16.0);
    change(bad);
    return bad;
  };
  const std::vector<Field> bad_fields = {
      field([](Field& f) { f.elements = 0; }),
      field([](Field& f) { f.elements = VectorLayout::kMaxWords + 1; }),
      field([](Field& f) { f.elements = ~std::uint64_t{0}; }),
      field([](Field& f) { f.bound = 0.0; }),
      field([](Field& f) { f.bound = -1.0; }),
      field([](Field& f) { f.bound = std::nan(""); }),
      field([=](Field& f) { f.bound = infinity; }),
      field([](Field& f) { f.scale = 0.0; }),
      field([](Field& f) { f.scale = std::nan(""); }),
      field([=](Field& f) { f.scale = infinity; }),
      field([](Field& f) { f.scale *= 1.0001; }),
      field([](Field& f) { f.kind = static_cast<FieldKind>(9); }),
      field([](Field& f) { f.kind = FieldKind::kCount, f.limbs = 0; }),
      field([](Field& f) { f.kind = FieldKind::kCount, f.limbs = 5; }),
      field([](Field& f) { f.kind = FieldKind::kCount, f.limbs = 4, f.elements = VectorLayout::kMaxWords; }),
  };
  for (const Field& bad : bad_fields) {
    const auto layout = VectorLayout::create({count_field("good", 1, 1), bad});
    REQUIRE_FALSE(layout.has_value());
    CHECK(layout.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(layout.error().message, Catch::Contains("'bad'"));
  }
  CHECK_FALSE(VectorLayout::create({}).has_value());
  CHECK_FALSE(VectorLayout::create({count_field("", 1, 1)}).has_value());
  CHECK_FALSE(VectorLayout::create({count_field("x", 1, 1), count_field("x", 1, 1)}).has_value());
  CHECK_FALSE(VectorLayout::create({fixed_point_field("x", 1, 1e-300)}).has_value());
  CHECK_FALSE(VectorLayout::create({fixed_point_field("x", 1, 1e12)}).has_value());
}

TEST_CASE("a train layout leaves frozen tensors out, and the fields of another model's update are told") {
  const auto tensors = [](bool frozen) {
    std::vector<TensorInfo> list{tensor("conv.weight", {2, 1, 3, 3}, TensorRole::kTrainable),
                                 tensor("bn.running_mean", {2}, TensorRole::kBuffer),
                                 tensor("fc.weight", {3, 2}, TensorRole::kTrainable)};
    list[0].frozen = list[1].frozen = frozen;
    return ParameterManifest::create(std::move(list)).value();
  };
  const auto layout = train_layout(tensors(true), 16.0, 1024.0, {});
  REQUIRE(layout.has_value());
  CHECK(layout->find("parameters.0")->elements == 6);
  CHECK(layout->find("parameters.1") == nullptr);
  CHECK(layout->word_count() + 20 == train_layout(tensors(false), 16.0, 1024.0, {})->word_count());
  const auto fields = parameter_fields(*layout, tensors(true));
  REQUIRE(fields.has_value());
  CHECK(*fields == std::vector<Field>{*layout->find("parameters.0")});
  const auto other = parameter_fields(*layout, tensors(false));
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().code == ErrorCode::kInvalidArgument);
  CHECK(other.error().message ==
        "round order: its layout has 1 fields of parameters; expected those of the model's "
        "update, 3 fields with 26 parameters");
}

TEST_CASE("a train layout has one parameter field for each run of tensors of one role, in the manifest's order") {
  const auto manifest = ParameterManifest::create({
      tensor("conv.weight", {2, 1, 3, 3}, TensorRole::kTrainable),
      tensor("bn.weight", {2}, TensorRole::kTrainable),
      tensor("bn.running_mean", {2}, TensorRole::kBuffer),
      tensor("bn.running_var", {2}, TensorRole::kBuffer),
      tensor("fc.weight", {3, 2}, TensorRole::kTrainable),
  });
  REQUIRE(manifest.has_value());
  const bool with_counts = GENERATE(true, false);
  const auto layout = train_layout(*manifest, 16.0, 1024.0, {.examples = with_counts});
  REQUIRE(layout.has_value());
  CHECK(layout->find("parameters.0")->elements == 20);
  CHECK(layout->find("parameters.0")->bound == 16.0);
  CHECK(layout->find("parameters.1")->elements == 4);
  CHECK(layout->find("parameters.1")->bound == 1024.0);
  CHECK(layout->find("parameters.2")->offset == 24);
  CHECK(layout->find("parameters.2")->bound == 16.0);
  CHECK(layout->find("parameters.3") == nullptr);
  CHECK(layout->find(kLoss)->kind == FieldKind::kFixedPoint);
  CHECK(layout->find(kClipped) != nullptr);
  CHECK((layout->find(kExamples) != nullptr) == with_counts);
}
