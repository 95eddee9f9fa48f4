#include <grpcpp/grpcpp.h>

#include "common/wire/bulk_call.h"
#include "common/wire/channel.h"
#include "common/wire/chunk_frame.h"
#include "common/wire/conversions.h"
#include "common/wire/tls_credentials.h"
#include "consilium/v1/admin.grpc.pb.h"
#include "consilium/v1/blob.grpc.pb.h"
#include "consilium/v1/federation.grpc.pb.h"
#include "tests/catch.h"
#include "tests/contract/link/federation_fixture.h"

using namespace consilium;
using namespace consilium::testing;

namespace {

const job::SessionKey kHostileKey{"chest-xray-1", job::SumKind::kTrain, 3, 1};

/// Opens a channel with gRPC's plain TLS, which checks nothing about its own certificate. It stands for a peer that
/// doesn't run our code.
std::shared_ptr<grpc::Channel> foreign_channel(Federation& federation, const std::filesystem::path& certificate,
                                               const std::filesystem::path& key) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = pki::text_of(federation.enroll(pki::Role::kSite, "north").root);
  if (!certificate.empty()) options.pem_cert_chain = pki::text_of(certificate);
  if (!key.empty()) options.pem_private_key = pki::text_of(key);
  return wire::make_channel("127.0.0.1:" + std::to_string(federation.port()), "localhost", "",
                            grpc::SslCredentials(options));
}

std::shared_ptr<grpc::Channel> channel_of(Federation& federation, pki::Role role, const std::string& name) {
  const Member member = federation.enroll(role, name);
  return foreign_channel(federation, member.certificate, member.key);
}

/// Returns what each call of the three services answers to a peer.
std::map<std::string, grpc::StatusCode> answers(const std::shared_ptr<grpc::Channel>& channel) {
  std::map<std::string, grpc::StatusCode> codes;
  for (const std::string method :
       {"Federation/Attend", "Blobs/Fetch", "Blobs/Upload", "Blobs/GetUploadStatus", "Blobs/PutBlob", "Admin/Submit",
        "Admin/ListJobs", "Admin/Watch", "Admin/GetSpec", "Admin/Stop", "Admin/ListSites"}) {
    wire::BulkCall call(channel, "/consilium.v1." + method, {});
    call.write_last(wire::small_message(""));
    grpc::ByteBuffer ignored;
    while (call.read(ignored)) {
    }
    codes[method] = call.finish().error_code();
  }
  return codes;
}

/// Sends an upload part by part, as a hostile site does.
struct RawUpload {
  wire::BulkCall call;
  explicit RawUpload(Federation& federation)
      : call(channel_of(federation, pki::Role::kSite, "north"), "/consilium.v1.Blobs/Upload", {}) {}

  void start(std::uint64_t words, std::uint64_t offset = 0, const job::SessionKey& key = kHostileKey) {
    v1::UploadPart part;
    *part.mutable_start()->mutable_key() = wire::to_proto(key);
    part.mutable_start()->set_words(words);
    part.mutable_start()->set_offset(offset);
    send(part.SerializeAsString());
  }
  void data(std::size_t bytes) {
    v1::UploadPart part;
    part.set_data(std::string(bytes, 'x'));
    send(part.SerializeAsString());
  }
  void digest(const std::string& bytes) {
    v1::UploadPart part;
    part.set_digest(bytes);
    send(part.SerializeAsString());
  }
  void send(const std::string& bytes) { call.write(wire::small_message(bytes)); }
  grpc::Status end() {
    grpc::ByteBuffer ignored;
    while (call.read(ignored)) {
    }
    return call.finish();
  }
};

std::string sha256_of(const std::string& text) {
  const auto digest = crypto::sha256(text);
  return {digest.begin(), digest.end()};
}

}  // namespace

TEST_CASE("a peer without a certificate, with one of another root, or of a role without business here gets nowhere") {
  Federation federation;
  std::filesystem::path certificate;
  std::filesystem::path key;
  SECTION("no certificate") {}
  SECTION("another root") {
    auto other = pki::Authority::create(federation.folder / "other", "lung", std::chrono::days(10)).value();
    const pki::Identity identity{"lung", pki::Role::kSite, "north"};
    key = federation.folder / "foreign.key";
    certificate = federation.folder / "foreign.pem";
    const std::string request = pki::create_key_and_request(key, identity).value();
    pki::write_text(certificate, other.sign(request, identity, {}, std::chrono::hours(1)).value());
  }
  SECTION("a coordinator") {
    const Member rival = federation.enroll(pki::Role::kCoordinator, "rival");
    certificate = rival.certificate;
    key = rival.key;
  }
  for (const auto& [method, code] : answers(foreign_channel(federation, certificate, key))) {
    INFO(method);
    CHECK((code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::UNAUTHENTICATED ||
           code == grpc::StatusCode::PERMISSION_DENIED));
  }
  CHECK(federation.handler.connected.empty());
}

TEST_CASE("sites may not do what researchers may, nor the other way round") {
  Federation federation;
  const auto denied = grpc::StatusCode::PERMISSION_DENIED;
  auto site = answers(channel_of(federation, pki::Role::kSite, "north"));
  auto researcher = answers(channel_of(federation, pki::Role::kResearcher, "marie"));
  for (const std::string method : {"Admin/Submit", "Admin/ListJobs", "Admin/Watch", "Admin/GetSpec", "Admin/Stop",
                                   "Admin/ListSites", "Blobs/PutBlob"}) {
    INFO(method);
    CHECK(site.at(method) == denied);
    CHECK(researcher.at(method) != denied);
  }
  for (const std::string method : {"Federation/Attend", "Blobs/Upload", "Blobs/GetUploadStatus"}) {
    INFO(method);
    CHECK(researcher.at(method) == denied);
    CHECK(site.at(method) != denied);
  }
  CHECK(federation.handler.submitted.empty());
}

TEST_CASE("an upload that breaks the rules is refused with the reason, and never handed on") {
  Federation federation;
  federation.handler.expected[upload_name("north", kHostileKey)] = 1000;
  const std::string right(4000, 'x');
  RawUpload upload(federation);
  std::string reason;
  SECTION("data before the start") {
    upload.data(4000);
    reason = "";
  }
  SECTION("nothing at all") { upload.send(""); }
  SECTION("a digest before the start") { upload.digest(sha256_of(right)); }
  SECTION("more words than expected") {
    upload.start(1001);
    reason = "expected 1000 words, found 1001";
  }
  SECTION("as many words as fit a number") { upload.start(~std::uint64_t{0}); }
  SECTION("more bytes than announced") {
    upload.start(1000);
    upload.data(4001);
    reason = "more than the 4000 bytes";
  }
  SECTION("fewer bytes than announced") {
    upload.start(1000);
    upload.data(3999);
    upload.digest(sha256_of(std::string(3999, 'x')));
    reason = "the digest came after 3999 of 4000 bytes";
  }
  SECTION("an offset beyond what is held") {
    upload.start(1000, 1);
    reason = "cannot continue at byte 1";
  }
  SECTION("another digest") {
    upload.start(1000);
    upload.data(4000);
    upload.digest(sha256_of("other"));
    reason = "discarded";
  }
  SECTION("a digest of 31 bytes") {
    upload.start(1000);
    upload.data(4000);
    upload.digest(std::string(31, 'd'));
    reason = "expected 32 bytes";
  }
  SECTION("a chunk beyond 1 MiB") {
    upload.start(1000);
    upload.data((1 << 20) + 1);
    reason = "expected one chunk of 1 to 1048576 bytes";
  }
  SECTION("a chunk beyond what gRPC takes") {
    upload.start(1000);
    upload.data(3 << 20);
  }
  SECTION("an empty chunk") {
    upload.start(1000);
    upload.data(0);
  }
  SECTION("two fields in a chunk") {
    upload.start(1000);
    upload.send(std::string("\x12\x01x\x12\x01x", 6));
  }
  SECTION("a second start") {
    upload.start(1000);
    upload.start(1000);
    reason = "out of order";
  }
  SECTION("a session that isn't open to it") { upload.start(1000, 0, {"chest-xray-1", job::SumKind::kTrain, 4, 1}); }
  SECTION("a key without a job") { upload.start(1000, 0, {"", job::SumKind::kTrain, 3, 1}); }
  const grpc::Status status = upload.end();
  INFO(status.error_message());
  CHECK_FALSE(status.ok());
  CHECK(status.error_message().find(reason) != std::string::npos);
  CHECK(federation.handler.vectors.empty());
}

TEST_CASE("an upload that keeps the rules byte for byte is taken: the table above fails for its reasons") {
  Federation federation;
  federation.handler.expected[upload_name("north", kHostileKey)] = 1000;
  RawUpload upload(federation);
  upload.start(1000);
  upload.data(1);
  upload.data(3999);
  upload.digest(sha256_of(std::string(4000, 'x')));
  CHECK(upload.end().ok());
  CHECK(federation.handler.vectors.at(upload_name("north", kHostileKey)).size() == 1000);
}

TEST_CASE("a flood of messages ends a stream") {
  Federation federation;
  wire::BulkCall call(channel_of(federation, pki::Role::kSite, "north"), "/consilium.v1.Federation/Attend", {});
  call.write(wire::small_message(wire::encode(wire::SiteMessage(wire::SiteHello{"flooder", {}}))));
  const auto message = wire::small_message(wire::encode(wire::SiteMessage(wire::SessionPartial{kHostileKey})));
  for (int count = 0; count < 2000 && call.write(message); ++count) {
  }
  grpc::ByteBuffer ignored;
  while (call.read(ignored)) {
  }
  CHECK(call.finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_CASE("malformed messages end a stream with the field's name, and the coordinator goes on") {
  Federation federation;
  const auto channel = channel_of(federation, pki::Role::kSite, "north");
  v1::SiteMessage nameless;
  nameless.mutable_hello();
  for (const auto& bytes :
       {std::string("\xff\xff\xff"), std::string(), nameless.SerializeAsString(), std::string(100'000, '\x0a')}) {
    wire::BulkCall call(channel, "/consilium.v1.Federation/Attend", {});
    call.write(wire::small_message(bytes));
    grpc::ByteBuffer ignored;
    while (call.read(ignored)) {
    }
    CHECK_FALSE(call.finish().ok());
  }
  CHECK(federation.handler.messages.empty());
}
