#include "client/enroll.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "common/pki/enrollment.h"

namespace consilium::client {
namespace {

struct Options {
  std::string site;
  std::string consortium;
  std::string out;
};

Result<int> enroll(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const pki::Enrollment done,
                   pki::enroll({options.consortium, pki::Role::kSite, options.site}, options.out));
  out << "Made " << done.key.string() << " (it never leaves this machine) and " << done.request.string() << ".\n"
      << "Fingerprint of the key: " << done.fingerprint << "\n"
      << "Next: send " << done.request.string()
      << " to the consortium's authority, and read the fingerprint to them over another\n"
      << "channel. They run\n"
      << "  consilium ca sign " << options.site << ".csr --role site --name " << options.site << " --fingerprint "
      << done.fingerprint << " --out " << options.site << ".pem\n"
      << "and send back " << options.site << ".pem, root.pem and crl.pem: name them in client.yaml.\n";
  return 0;
}

}  // namespace

void add_enroll_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "enroll",
      "make a key and a certificate request without a kit, for example for a second key; with a kit, use join");
  command->add_option("--site", options->site, "this site's name: a-z, 0-9 and '-'")->required();
  command->add_option("--consortium", options->consortium, "name of the consortium")->required();
  command->add_option("--out", options->out, "folder for the key and the request")->required();
  command->callback([options, &action, &out] { action = [options, &out] { return enroll(*options, out); }; });
}

}  // namespace consilium::client
