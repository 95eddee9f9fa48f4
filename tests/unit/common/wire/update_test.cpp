#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/wire/limits.h"
#include "common/wire/report_conversions.h"
#include "consilium/v1/admin.pb.h"
#include "tests/catch.h"
#include "tests/unit/common/report/edit_record.h"

namespace consilium::wire {
namespace {

using Catch::Contains;
using Messages = std::vector<v1::JobUpdate>;

report::RoundRecord record_of(std::uint32_t round, std::size_t sites) {
  report::RoundRecord record;
  record.round = round;
  for (std::size_t i = 0; i < sites; ++i) record.cohort.push_back("site-" + std::to_string(i));
  record.contributed = record.cohort;
  return record;
}

report::JobStatus status_with(std::uint32_t rounds, std::size_t sites) {
  report::JobStatus status;
  status.job_id = "job-1";
  status.name = "job";
  for (std::uint32_t round = 1; round <= rounds; ++round) status.history.push_back(record_of(round, sites));
  for (std::size_t i = 0; i < sites; ++i) status.sites["site-" + std::to_string(i)] = "training";
  return status;
}

Messages written(UpdateWriter& writer, const report::JobStatus& status) {
  writer.begin(std::make_shared<const report::JobStatus>(status));
  Messages messages;
  for (v1::JobUpdate message; writer.next(message);) messages.push_back(message);
  return messages;
}

report::JobStatus read(UpdateReader& reader, const Messages& messages) {
  for (std::size_t i = 0; i + 1 < messages.size(); ++i) REQUIRE_FALSE(reader.next(messages[i]).value());
  return reader.next(messages.back()).value().value();
}

std::size_t bytes_of(const Messages& messages) {
  std::size_t bytes = 0;
  for (const v1::JobUpdate& message : messages) bytes += message.ByteSizeLong();
  return bytes;
}

v1::JobUpdate piece(std::string bytes, bool more, int place = -1) {
  v1::JobUpdate message;
  message.set_piece(std::move(bytes));
  message.set_more(more);
  if (place >= 0) message.set_place(static_cast<std::uint32_t>(place));
  return message;
}

std::string refusal(UpdateReader& reader, const v1::JobUpdate& message) {
  const auto taken = reader.next(message);
  REQUIRE_FALSE(taken);
  return taken.error().message;
}

TEST_CASE("an update has what the one before didn't: records, and sites that do something else") {
  UpdateWriter writer;
  UpdateReader reader;
  report::JobStatus status = status_with(300, 100);
  const Messages whole = written(writer, status);
  CHECK(read(reader, whole) == status);

  status.sites["site-7"] = "uploading";
  const Messages change = written(writer, status);
  CHECK(change.size() == 1);
  CHECK(bytes_of(change) < 200);
  CHECK(read(reader, change) == status);

  status.history.push_back(record_of(301, 100));
  const Messages round = written(writer, status);
  CHECK(round.size() == 2);
  CHECK(bytes_of(round) < bytes_of(whole) / 100);
  CHECK(read(reader, round) == status);

  report::edit_record(status.history, 4, [](report::RoundRecord& record) { record.train_loss = 7.0; });
  CHECK(read(reader, written(writer, status)) == status);

  status.sites.erase("site-3");
  CHECK(read(reader, written(writer, status)) == status);
}

TEST_CASE("no message of an update grows with rounds, sites or what they say") {
  UpdateWriter writer;
  UpdateReader reader;
  report::JobStatus status = status_with(2, kMaxSites);
  for (auto& [site, activity] : status.sites) activity = "declined: " + std::string(500, 'x');
  report::edit_record(status.history, 1, [](report::RoundRecord& record) {
    for (const std::string& site : record.cohort) record.failed[site] = std::string(500, 'y');
  });
  const Messages messages = written(writer, status);
  CHECK(messages.size() > 10);
  for (const v1::JobUpdate& message : messages) CHECK(message.ByteSizeLong() < kMaxMessageBytes);
  CHECK(read(reader, messages) == status);
}

TEST_CASE("a watcher of 1,000 rounds with 100 sites gets each round once") {
  UpdateWriter writer;
  UpdateReader reader;
  report::JobStatus status = status_with(0, 100);
  std::size_t bytes = 0, largest = 0;
  for (std::uint32_t round = 1; round <= 1000; ++round) {
    report::RoundRecord record = record_of(round, 100);
    record.metrics = task::Metrics{100'000, {{"loss", 6.9, 0.0, false}, {"accuracy", 0.001}, {"auc", 0.5, 0.01}}, {}};
    for (const std::string& site : record.cohort) record.site_metrics[site] = *record.metrics;
    status.history.push_back(std::move(record));
    if (round % 100 != 0) continue;
    const Messages messages = written(writer, status);
    bytes += bytes_of(messages);
    for (const v1::JobUpdate& message : messages) largest = std::max(largest, message.ByteSizeLong());
    REQUIRE(read(reader, messages).history.size() == round);
  }
  CHECK(bytes < 20'000'000);  // the history itself, once
  CHECK(largest < kMaxMessageBytes);
}

TEST_CASE("pieces that don't fit together are refused") {
  UpdateReader reader;
  CHECK_THAT(refusal(reader, piece(encode(record_of(1, 1)), false, 1)), Contains("no gap in the history"));
  CHECK_THAT(refusal(reader, piece("", true)), Contains("update.piece"));
  CHECK_THAT(refusal(reader, piece("no message", false)), Contains("update.status"));
  CHECK_THAT(refusal(reader, piece("no message", false, 0)), Contains("update.record"));

  SECTION("a part that goes on as another") {
    REQUIRE(reader.next(piece("begun", true, 0)));
    CHECK_THAT(refusal(reader, piece("other", true)), Contains("update.place"));
  }
  SECTION("a history of another length than the status says") {
    UpdateWriter writer;
    const Messages messages = written(writer, status_with(2, 1));
    REQUIRE(reader.next(messages[0]));
    CHECK_THAT(refusal(reader, messages[2]), Contains("update.history_size"));
  }
  SECTION("a part without an end") {
    const std::string much(kChunkBytes, 'x');
    std::size_t sent = 0;
    for (; sent + much.size() <= kMaxUpdatePartBytes; sent += much.size()) REQUIRE(reader.next(piece(much, true)));
    CHECK_THAT(refusal(reader, piece(much, true)), Contains("bytes in all"));
  }
}

}  // namespace
}  // namespace consilium::wire
