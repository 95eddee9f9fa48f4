#include "common/kit/kit.h"

#include <spdlog/fmt/fmt.h>
#include <stdlib.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <utility>

#include "common/config/daemon_sections.h"
#include "common/config/value.h"
#include "common/crypto/sha256.h"
#include "common/files/files.h"
#include "common/kit/config_texts.h"

namespace consilium::kit {
namespace {

constexpr std::size_t kLargestFile = 1 << 20;
constexpr const char* kFingerprintName = "kit";  ///< in records

/// The files that every kit has. A roster can be in the same folder.
constexpr std::array kKitFiles = {kClientFile, kPolicyFile, kReadmeFile, kListFile, kRootFile, kUnitFile};

constexpr const char* kReadme =
    R"(This folder lets the hospital "{site}" join the consortium "{consortium}". Nothing in it is secret.

Install consilium-client first (docs/hospital-it/README.md, section 1). Then:

1. Read policy.yaml, which determines the jobs that this hospital agrees to, and client.yaml, which names the files with
   the images. It expects
{datasets}
2. Join. In the folder that contains this one, run:

     sudo consilium-client join {site} --wait --start

   The command prints the fingerprints of the kit and of the root. Telephone the person who gave you this folder, on a
   number that you already know, and compare them. If they differ, stop: somebody has changed the folder. After your yes
   the command makes this hospital's key, which never leaves this machine, and a request for a certificate. Then read
   out the fingerprint of your key.

3. Send /etc/consilium/{site}.csr to that person. You get {site}.pem and roster.yaml back. The roster exists once every
   hospital has sent its request. Put both files into this folder. The command finds them there and checks
   them. You can stop the command in the meantime and run it again.

4. Compare the roster with the other hospitals by telephone: the command prints each hospital's key. After your yes it
   checks everything and starts the service.

Afterwards, consilium-client jobs lists the jobs that researchers have submitted, and consilium-client approve JOB shows
a job and asks whether it may run. crl.pem, the list of revoked certificates, expires after some weeks. Replace
/etc/consilium/crl.pem with each newer list that you receive.
)";

/// Replaces the only occurrence of `from`.
Result<void> fill_in(std::string& text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos || text.find(from, at + 1) != std::string::npos)
    return fail(ErrorCode::kInternal, fmt::format("the built-in example doesn't have exactly one line '{}'", from));
  text.replace(at, from.size(), to);
  return {};
}

std::string path_of(const std::string& dataset) { return "/srv/consilium/" + dataset + ".npz"; }

Result<std::string> client_config(const Terms& terms) {
  std::string text = kClientConfig;
  std::string datasets;
  for (const std::string& name : terms.datasets)
    datasets += fmt::format("  {}: {{type: npz, path: {}}}\n", name, path_of(name));
  CONSILIUM_TRY(fill_in(text, "\nsite: north\n", fmt::format("\nsite: {}\n", terms.site)));
  CONSILIUM_TRY(fill_in(text, "\ncoordinator: coordinator.example.org:8470\n",
                        fmt::format("\ncoordinator: \"{}\"\n", terms.coordinator)));
  CONSILIUM_TRY(fill_in(text, "  certificate: north.pem ", fmt::format("  certificate: {}.pem ", terms.site)));
  CONSILIUM_TRY(fill_in(text, "  key: north.key ", fmt::format("  key: {}.key ", terms.site)));
  CONSILIUM_TRY(fill_in(text, "\n  # revocation_list: crl.pem\n", "\n  revocation_list: crl.pem\n"));
  CONSILIUM_TRY(fill_in(text, "\n# roster: roster.yaml\n", "\nroster: roster.yaml\n"));
  CONSILIUM_TRY(fill_in(text,
                        "  chest: {type: npz, path: /srv/consilium/chest.npz}\n"
                        "  fashion: {type: idx, path: /usr/share/datasets/fashion-mnist}\n",
                        datasets));
  return text;
}

Result<std::string> policy_config(const Terms& terms) {
  std::string text = kPolicyConfig;
  CONSILIUM_TRY(
      fill_in(text, "\ndatasets: [chest]\n", fmt::format("\ndatasets: [{}]\n", fmt::join(terms.datasets, ", "))));
  return text;
}

std::string readme(const Terms& terms) {
  std::string datasets;
  for (const std::string& name : terms.datasets)
    datasets += fmt::format("     {} (the data set '{}')\n", path_of(name), name);
  return fmt::format(kReadme, fmt::arg("site", terms.site), fmt::arg("consortium", terms.consortium),
                     fmt::arg("datasets", datasets));
}

}  // namespace

Result<Address> read_address(const std::string& text, std::string_view option) {
  const nlohmann::json quoted = {{std::string(option), text}};
  const auto parsed = config::parse(quoted.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace), "", "");
  if (!parsed) return fail(parsed.error());
  auto address = config::read_address(parsed->at(option), 1);
  if (!address) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected host:port, e.g. coordinator.example.org:8470", option));
  }
  std::string host = address->substr(0, address->rfind(':'));
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return Address{std::move(host), *std::move(address)};
}

Result<Files> make_kit(const Terms& terms, const std::string& root_pem, const std::string& list_pem) {
  Files files;
  CONSILIUM_ASSIGN(files[kClientFile], client_config(terms));
  CONSILIUM_ASSIGN(files[kPolicyFile], policy_config(terms));
  files[kRootFile] = root_pem;
  files[kListFile] = list_pem;
  files[kUnitFile] = kClientUnit;
  files[kReadmeFile] = readme(terms);
  return files;
}

Result<Files> read_kit(const std::filesystem::path& folder) {
  Files read;
  for (const char* name : kKitFiles) {
    CONSILIUM_ASSIGN(read[name], files::read_file(folder / name, kLargestFile, files::Links::kRefuse));
  }
  return read;
}

std::string fingerprint(const Files& files) {
  std::string all = "consilium/v1/kit";
  for (const auto& [name, text] : files) all += fmt::format("\n{} {} {}\n", name.size(), text.size(), name) + text;
  return crypto::to_hex(crypto::sha256(all));
}

Record record_of(const Files& files) {
  Record record{fingerprint(files), {}};
  for (const auto& [name, text] : files) record.digests[name] = crypto::to_hex(crypto::sha256(text));
  return record;
}

std::string record_text(const Record& record) {
  std::string text = record.fingerprint + "  " + kFingerprintName + "\n";
  for (const auto& [name, digest] : record.digests) text += fmt::format("{}  {}\n", digest, name);
  return text;
}

Result<Record> parse_record(const std::string& text) {
  Record record;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = line.find("  ");
    const std::string digest = line.substr(0, end);
    if (end == std::string::npos || !crypto::digest_from_hex(digest))
      return fail(ErrorCode::kDataLoss, "expected lines of a SHA-256, two blanks and a file's name");
    record.digests[line.substr(end + 2)] = digest;
  }
  const auto whole = record.digests.extract(kFingerprintName);
  if (whole.empty()) return fail(ErrorCode::kDataLoss, "lacks the line of the kit's fingerprint");
  record.fingerprint = whole.mapped();
  return record;
}

Result<Files> make_coordinator_files(const std::string& name) {
  Files files;
  std::string& text = files[kCoordinatorFile] = kCoordinatorConfig;
  CONSILIUM_TRY(fill_in(text, "  certificate: coordinator.pem ", fmt::format("  certificate: {}.pem ", name)));
  CONSILIUM_TRY(fill_in(text, "  key: coordinator.key ", fmt::format("  key: {}.key ", name)));
  files[kCoordinatorUnitFile] = kCoordinatorUnit;
  return files;
}

Files make_researcher_files(const std::string& name, const std::string& coordinator) {
  return {{kResearcherFile,
           fmt::format("# The coordinator that `consilium` connects to, and your certificate. Relative "
                       "paths start at this file's folder.\n"
                       "coordinator: \"{0}\"\n"
                       "root: root.pem\n"
                       "certificate: {1}.pem\n"
                       "key: {1}.key            # made by `consilium ca request`; never leaves this machine\n"
                       "# The list expires. Get a newer one from the people who run the authority before then.\n"
                       "revocation_list: crl.pem\n",
                       coordinator, name)}};
}

Result<void> write_new_folder(const std::filesystem::path& folder, const Files& files) {
  std::error_code code;
  if (std::filesystem::exists(std::filesystem::symlink_status(folder, code))) {
    return fail(ErrorCode::kAlreadyExists,
                folder.string() + ": exists already, and files of two kits must not mix; move it away first");
  }
  const std::filesystem::path parent = folder.has_parent_path() ? folder.parent_path() : ".";
  std::filesystem::create_directories(parent, code);
  std::string pattern = (parent / ".kit-XXXXXX").string();
  if (code || ::mkdtemp(pattern.data()) == nullptr)
    return fail(ErrorCode::kPermissionDenied, parent.string() + ": can't create a folder here");
  const std::filesystem::path made = pattern;
  const auto write_all = [&]() -> Result<void> {
    for (const auto& [name, text] : files) CONSILIUM_TRY(files::replace_file(made / name, text));
    std::filesystem::permissions(made, std::filesystem::perms{0755}, code);
    // If somebody has created the folder in the meantime, this succeeds only if it is empty.
    return files::rename_file(made, folder);
  };
  auto written = write_all();
  if (!written) std::filesystem::remove_all(made, code);
  return written;
}

}  // namespace consilium::kit
