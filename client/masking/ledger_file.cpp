#include "client/masking/ledger_file.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/config/scalars.h"
#include "common/encoding/byte_reader.h"
#include "common/encoding/byte_writer.h"
#include "common/job/job_limits.h"
#include "common/pki/authority.h"
#include "common/pki/identity.h"
#include "common/secagg/group_messages.h"

namespace consilium::masking {
namespace {

using encoding::ByteReader;
using encoding::ByteWriter;

constexpr std::string_view kMagic = "LDG1";
constexpr std::size_t kMaxName = 63;
constexpr std::size_t kFewestMembers = 3;
/// Maximum number of sums of one job: its census, and two per round.
constexpr std::uint64_t kMaxSums = 2 * std::uint64_t{job::kMaxRounds} + 1;

void write(ByteWriter& out, const secagg::Seen& seen) {
  out.integer(seen.number);
  out.bytes(std::span<const std::uint8_t>(seen.advert));
}

void write(ByteWriter& out, const LedgerContent& content) {
  out.integer(static_cast<std::uint16_t>(content.groups.size()));
  for (const GroupContent& group : content.groups) {
    out.integer(static_cast<std::uint8_t>(group.members.size()));
    for (const std::string& name : group.members) out.prefixed<std::uint8_t>(std::string_view(name));
    write(out, group.own);
    for (const secagg::Seen& seen : group.seen) write(out, seen);
  }
  out.integer(static_cast<std::uint32_t>(content.jobs.size()));
  for (const JobContent& job : content.jobs) {
    out.bytes(std::span<const std::uint8_t>(job.job));
    out.prefixed<std::uint8_t>(std::string_view(job.population));
    out.integer(job.sums);
  }
}

/// Encodes everything except the certificate and the signature.
std::vector<std::byte> body_of(const LedgerFile& file) {
  ByteWriter out;
  out.text(kMagic);
  for (const std::string* name : {&file.consortium, &file.site, &file.reader})
    out.prefixed<std::uint8_t>(std::string_view(*name));
  out.integer(file.code);
  out.integer(file.serial);
  write(out, file.content);
  return out.take();
}

std::vector<std::byte> statement_of(const LedgerFile& file) {
  ByteWriter out;
  out.prefixed<std::uint64_t>(std::string_view("consilium/v1/ledger"));
  out.prefixed<std::uint64_t>(std::span<const std::byte>(body_of(file)));
  return out.take();
}

std::string read_name(ByteReader& in, std::string_view what) {
  std::string name = in.text<std::uint8_t>(what, 1, kMaxName);
  if (const auto named = pki::check_name(name); in.ok() && !named)
    in.refuse(fmt::format("{}: {}", what, named.error().message));
  return name;
}

secagg::Seen read_seen(ByteReader& in) {
  secagg::Seen seen;
  seen.number = in.integer<std::uint64_t>("number of an advert", 0, kMaxAdvertNumber);
  seen.advert = in.digest();
  if (in.ok() && seen.number == 0 && seen.advert != crypto::Digest{})
    in.refuse("expected a digest of zeros, because no advert was seen");
  return seen;
}

GroupContent read_group(ByteReader& in, const std::string& writer, const std::string& reader) {
  GroupContent group;
  const std::size_t count = in.integer<std::uint8_t>("members of a group", kFewestMembers, secagg::kMaxGroupMembers);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    group.members.push_back(read_name(in, "member"));
    if (i > 0 && group.members[i] <= group.members[i - 1]) in.refuse("expected the members in order, each once");
  }
  for (const std::string* site : {&writer, &reader}) {
    if (in.ok() && !std::binary_search(group.members.begin(), group.members.end(), *site))
      in.refuse(fmt::format("expected groups with {}", *site));
  }
  group.own = read_seen(in);
  for (std::size_t i = 1; i < count && in.ok(); ++i) group.seen.push_back(read_seen(in));
  return group;
}

JobContent read_job(ByteReader& in) {
  JobContent job;
  job.job = in.digest();
  job.population = in.text<std::uint8_t>("length of a population's name", 0, kMaxName);
  job.sums = in.integer<std::uint32_t>("sums of a job", 0, kMaxSums);
  if (in.ok() && job.population.empty() != (job.sums == 0))
    in.refuse("expected a population if and only if there are sums");
  if (in.ok() && !job.population.empty() && !config::is_name(job.population)) in.refuse("expected a population's name");
  return job;
}

LedgerContent read_content(ByteReader& in, const std::string& site, const std::string& reader) {
  LedgerContent content;
  const std::size_t groups = in.integer<std::uint16_t>("number of groups", 0, kMaxLedgerGroups);
  for (std::size_t i = 0; i < groups && in.ok(); ++i) {
    content.groups.push_back(read_group(in, site, reader));
    if (i > 0 && content.groups[i].members <= content.groups[i - 1].members)
      in.refuse("expected the groups in order, each once");
  }
  const std::size_t jobs = in.integer<std::uint32_t>("number of jobs", 0, kMaxLedgerJobs);
  for (std::size_t i = 0; i < jobs && in.ok(); ++i) {
    content.jobs.push_back(read_job(in));
    if (i > 0 && content.jobs[i].job <= content.jobs[i - 1].job) in.refuse("expected the jobs in order, each once");
  }
  return content;
}

}  // namespace

std::vector<std::byte> encode(const LedgerFile& file) {
  ByteWriter out;
  out.bytes(std::span<const std::byte>(body_of(file)));
  out.prefixed<std::uint16_t>(std::string_view(file.certificate));
  out.prefixed<std::uint8_t>(std::span<const std::byte>(file.signature));
  return out.take();
}

Result<LedgerFile> decode_ledger_file(std::span<const std::byte> bytes) {
  if (bytes.size() > kMaxLedgerBytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("expected at most {} bytes, found {}", kMaxLedgerBytes, bytes.size()));
  ByteReader in(bytes);
  LedgerFile file;
  const auto magic = in.bytes(kMagic.size());
  if (!std::ranges::equal(magic, std::as_bytes(std::span(kMagic))))
    return fail(ErrorCode::kInvalidArgument, "expected a file of `consilium-client ledger export`");
  file.consortium = read_name(in, "consortium");
  file.site = read_name(in, "site");
  file.reader = read_name(in, "reader");
  if (in.ok() && file.site == file.reader)
    in.refuse("expected the file to come from another site than the one that reads it");
  file.code = in.integer<std::uint64_t>("code", 0, ~std::uint64_t{0});
  file.serial = in.integer<std::uint64_t>("serial", 0, ~std::uint64_t{0} >> 1U);
  file.content = read_content(in, file.site, file.reader);
  file.certificate = in.text<std::uint16_t>("length of a certificate", 1, secagg::kMaxCertificateBytes);
  const auto signature = in.prefixed<std::uint8_t>("length of a signature", 1, secagg::kMaxSignatureBytes);
  file.signature = {signature.begin(), signature.end()};
  if (in.ok() && in.left() > 0) in.refuse(fmt::format("{} bytes are left", in.left()));
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, in.error());
  return file;
}

std::vector<std::byte> encode(const LedgerContent& content) {
  ByteWriter out;
  write(out, content);
  return out.take();
}

Result<LedgerContent> decode_ledger_content(std::span<const std::byte> bytes, const std::string& site,
                                            const std::string& reader) {
  ByteReader in(bytes);
  LedgerContent content = read_content(in, site, reader);
  if (in.ok() && in.left() > 0) in.refuse(fmt::format("{} bytes are left", in.left()));
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, in.error());
  return content;
}

Result<void> sign(LedgerFile& file, const pki::Signer& signer) {
  CONSILIUM_ASSIGN(file.signature, signer.sign(statement_of(file)));
  return {};
}

Result<void> check_signature(const LedgerFile& file, const crypto::Digest& key) {
  CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(file.certificate));
  if (fingerprint != crypto::to_hex(key)) {
    return fail(ErrorCode::kUnauthenticated, fmt::format("its certificate has the key {}, expected the roster's {}",
                                                         fingerprint, crypto::to_hex(key)));  // check: ledger-key
  }
  CONSILIUM_TRY(pki::verify(file.certificate, statement_of(file), file.signature));  // check: ledger-signature
  return {};
}

}  // namespace consilium::masking
