#include "coordinator/journal/job_numbers.h"

#include <sys/stat.h>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using namespace consilium;
using journal::JobNumbers;

TEST_CASE("jobs of a name are numbered from 1, each name by itself, and no number comes twice after a restart") {
  const pki::TemporaryFolder folder;
  const auto file = folder / "job_numbers.json";
  {
    auto numbers = JobNumbers::open(file).value();
    CHECK(numbers.next("chest").value() == 1);
    CHECK(numbers.next("chest").value() == 2);
    CHECK(numbers.next("brain").value() == 1);
  }
  auto numbers = JobNumbers::open(file).value();
  CHECK(numbers.next("chest").value() == 3);
  CHECK(numbers.next("brain").value() == 2);
  CHECK(numbers.next("with \"quotes\"").value() == 1);
  CHECK(JobNumbers::open(file).value().next("with \"quotes\"").value() == 2);
}

TEST_CASE("a number is on the disk before it is given out") {
  const pki::TemporaryFolder folder;
  auto numbers = JobNumbers::open(folder / "job_numbers.json").value();
  REQUIRE(numbers.next("chest").value() == 1);
  CHECK(JobNumbers::open(folder / "job_numbers.json").value().next("chest").value() == 2);

  auto nowhere = JobNumbers::open(folder / "no" / "such" / "folder.json").value();
  const auto refused = nowhere.next("chest");
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains("folder.json"));
}

TEST_CASE("without a file numbers last as long as the object") {
  auto numbers = JobNumbers::open({}).value();
  CHECK(numbers.next("chest").value() == 1);
  CHECK(numbers.next("chest").value() == 2);
  CHECK(JobNumbers::open({}).value().next("chest").value() == 1);
}

TEST_CASE("a damaged file is an error that says what to do, and it is left as it is") {
  const pki::TemporaryFolder folder;
  const auto file = folder / "job_numbers.json";
  const std::string text = GENERATE(as<std::string>(), "", "{\"chest\": 3", "[3]", "{\"chest\": -1}",
                                    "{\"chest\": 1.5}", "{\"chest\": \"3\"}", "{\"chest\": {}}", "null", "\xff\xfe");
  pki::write_text(file, text);
  const auto opened = JobNumbers::open(file);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == ErrorCode::kDataLoss);
  CHECK_THAT(opened.error().message,
             Catch::Contains(file.string()) && Catch::Contains("restore the file from a backup"));
  CHECK(pki::text_of(file) == text);
}
