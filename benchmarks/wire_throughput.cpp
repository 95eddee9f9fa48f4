// Measures only the wire: N sites upload a vector each at the same time, then each fetch a model, through the real
// service and links over TLS on loopback. The coordinator runs in a separate process, so that its memory can be
// measured.
//   wire_throughput [MB a transfer = 100] [sites = 4] [rounds = 3]
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "client/transport/coordinator_link.h"
#include "common/pki/authority.h"
#include "common/wire/tls_credentials.h"
#include "coordinator/service/coordination_service.h"

namespace {

using namespace consilium;
namespace fs = std::filesystem;

struct Member {
  fs::path root, certificate, key;
};

Member enroll(pki::Authority& authority, const fs::path& folder, pki::Role role, const std::string& name) {
  const Member member{authority.root_certificate(), folder / (name + ".pem"), folder / (name + ".key")};
  const pki::Identity identity{"bench", role, name};
  const std::string request = pki::create_key_and_request(member.key, identity).value();
  const std::vector<std::string> hosts =
      role == pki::Role::kCoordinator ? std::vector<std::string>{"localhost"} : std::vector<std::string>{};
  std::ofstream(member.certificate) << authority.sign(request, identity, hosts, std::chrono::hours(1)).value();
  return member;
}

/// Accepts every vector of the right length, and discards it.
class Sink final : public service::CoordinationHandler {
 public:
  explicit Sink(std::uint64_t words) : words_(words) {}
  void site_connected(const std::string&, const wire::SiteHello&) override {}
  void site_message(const std::string&, wire::SiteMessage) override {}
  void site_disconnected(const std::string&) override {}
  Result<std::uint64_t> expected_words(const std::string&, const job::SessionKey&) override { return words_; }
  Result<void> vector_received(const std::string&, const job::SessionKey&, const fs::path& file) override {
    fs::remove(file);
    return {};
  }
  Result<void> may_fetch(const pki::Identity&, const crypto::Digest&) override { return {}; }
  Result<void> expect_weights(const std::string&, std::uint64_t) override { return {}; }
  Result<void> weights_received(const std::string&, const crypto::Digest&, std::uint64_t) override { return {}; }
  Result<std::string> submit(const std::string&, const std::string&, const job::JobSignature&) override {
    return std::string();
  }
  std::vector<report::JobStatus> jobs(const pki::Identity&) override { return {}; }
  Result<Versioned> watch(const pki::Identity&, const std::string&, std::uint64_t, std::chrono::milliseconds) override {
    return Versioned{};
  }
  Result<std::string> job_spec(const pki::Identity&, const std::string&) override { return std::string(); }
  Result<void> stop(const pki::Identity&, const std::string&) override { return {}; }
  Result<void> remove(const pki::Identity&, const std::string&) override { return {}; }
  std::vector<service::SiteStatus> sites() override { return {}; }

 private:
  const std::uint64_t words_;
};

double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

/// Runs the coordinator's process. It prints its port, serves until its input ends, and reports its peak memory before
/// and after.
int serve(const fs::path& folder, const Member& self, std::uint64_t words, int in, int out) {
  Sink sink(words);
  auto blobs = journal::BlobStore::open(folder / "blobs").value();
  const service::ServiceConfig config{"127.0.0.1:0", self.root,       self.certificate, self.key, "",
                                      "bench",       folder / "spool"};
  const auto service = service::CoordinationService::start(config, sink, blobs).value();
  const int port = service->port();
  const double before = peak_mib();
  if (::write(out, &port, sizeof port) != sizeof port) return 1;
  char byte = 0;
  while (::read(in, &byte, 1) > 0) {
  }
  std::printf("coordinator: peak RSS %.0f MiB, %.0f of them before the first transfer\n", peak_mib(), before);
  std::fflush(stdout);
  service->shutdown(std::chrono::seconds(1));
  return 0;
}

/// Returns the seconds that all sites need to do something at the same time.
template <class Task>
double together(std::size_t sites, const Task& task) {
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (std::size_t site = 0; site < sites; ++site) threads.emplace_back([&task, site] { task(site); });
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void check(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

struct Plan {
  std::uint64_t megabytes = 100;
  std::size_t sites = 4;
  unsigned rounds = 3;
};

void measure(const Plan& plan, const fs::path& folder, int port, const std::vector<Member>& members,
             const crypto::Digest& model) {
  std::vector<std::unique_ptr<transport::CoordinatorLink>> links;
  for (const Member& member : members) {
    links.push_back(transport::make_grpc_link({"127.0.0.1:" + std::to_string(port), "localhost", "", member.root,
                                               member.certificate, member.key, "", "site"})
                        .value());
  }
  const std::uint64_t bytes = plan.megabytes * 1'000'000;
  const std::vector<std::uint32_t> words(bytes / sizeof(std::uint32_t), 0x5EED);
  const double gigabytes = static_cast<double>(bytes * plan.sites) / 1e9;
  for (unsigned round = 1; round <= plan.rounds; ++round) {
    const double up = together(plan.sites, [&](std::size_t site) {
      check(links[site]->upload({"bench-1", job::SumKind::kTrain, round, 1}, words, {}));
    });
    const double down = together(plan.sites, [&](std::size_t site) {
      const fs::path file = folder / ("model-" + std::to_string(site));
      fs::remove(file);
      check(links[site]->fetch(model, bytes, file, {}));
    });
    std::printf("round %u: %zu x %llu MB up %.2f s (%.2f GB/s), down %.2f s (%.2f GB/s)\n", round, plan.sites,
                static_cast<unsigned long long>(plan.megabytes), up, gigabytes / up, down, gigabytes / down);
  }
}

}  // namespace

int main(int argc, char** argv) {
  wire::restrict_to_tls13();
  if (argc == 7 && std::string(argv[1]) == "--serve") {
    const fs::path folder = argv[2];
    const Member self{folder / "ca" / "root.pem", argv[3], fs::path(argv[3]).replace_extension(".key")};
    return serve(folder, self, std::strtoull(argv[4], nullptr, 10), std::atoi(argv[5]), std::atoi(argv[6]));
  }
  Plan plan;
  if (argc > 1) plan.megabytes = std::strtoull(argv[1], nullptr, 10);
  if (argc > 2) plan.sites = std::strtoull(argv[2], nullptr, 10);
  if (argc > 3) plan.rounds = static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10));
  std::string pattern = (fs::temp_directory_path() / "consilium-wire-XXXXXX").string();
  const fs::path folder = ::mkdtemp(pattern.data());

  auto authority = pki::Authority::create(folder / "ca", "bench", std::chrono::days(1)).value();
  const Member hub = enroll(authority, folder, pki::Role::kCoordinator, "hub");
  std::vector<Member> members;
  for (std::size_t site = 0; site < plan.sites; ++site)
    members.push_back(enroll(authority, folder, pki::Role::kSite, "site-" + std::to_string(site)));
  crypto::Digest model{};
  {
    const std::vector<std::uint32_t> weights(plan.megabytes * 250'000, 0x3F800000);
    model = journal::BlobStore::open(folder / "blobs").value().put(std::as_bytes(std::span(weights))).value();
  }

  int to_child[2];
  int from_child[2];
  if (::pipe(to_child) != 0 || ::pipe(from_child) != 0) return 1;
  const pid_t child = ::fork();
  if (child == 0) {
    // Execute a new program, so that its peak memory doesn't include this one's.
    ::close(to_child[1]);
    const std::string in = std::to_string(to_child[0]);
    const std::string out = std::to_string(from_child[1]);
    const std::string words = std::to_string(plan.megabytes * 250'000);
    ::execl("/proc/self/exe", argv[0], "--serve", folder.c_str(), hub.certificate.c_str(), words.c_str(), in.c_str(),
            out.c_str(), nullptr);
    std::_Exit(1);
  }
  ::close(to_child[0]);
  int port = 0;
  if (::read(from_child[0], &port, sizeof port) != sizeof port) return 1;
  measure(plan, folder, port, members, model);
  ::close(to_child[1]);
  ::waitpid(child, nullptr, 0);
  fs::remove_all(folder);
  return 0;
}
