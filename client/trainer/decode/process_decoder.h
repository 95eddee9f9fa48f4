#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/decode_records.h"
#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Bounds of a ProcessDecoder.
struct DecoderLimits {
  std::uint32_t cpu_seconds = 60;  ///< for one file
  unsigned workers = 1;            ///< files that are decoded at the same time; further calls wait
};

/// Decodes in processes that may die of a file: the one that did is named in the error, and the next file gets a fresh
/// process. The trainer opens the file; a worker gets its descriptor, and can't open anything itself. Thread-safe.
class ProcessDecoder final : public data::ImageDecoder {
 public:
  /// Uses a decoder that runs already.
  /// @param socket  the trainer's end of its socket; the decoder ends when it is closed
  ProcessDecoder(trainer::Descriptor socket, DecoderLimits limits);
  ~ProcessDecoder() override;

  /// Starts `program` (consilium-decode), for a trainer that no daemon has started. Fails with kNotFound where it can't
  /// be run.
  static Result<std::unique_ptr<ProcessDecoder>> start(const std::filesystem::path& program, DecoderLimits limits);

  /// Starts the consilium-decode that lies in this program's own folder.
  static Result<std::unique_ptr<ProcessDecoder>> start_installed(DecoderLimits limits);

  /// Decodes a file: see data::ImageDecoder. A file that a worker died of is kInvalidArgument, one that took more than
  /// its CPU time kResourceExhausted; kUnavailable where the decoder itself is gone.
  Result<data::DecodedImage> decode(const std::filesystem::path& file, const data::DecodeOptions& options) override;

 private:
  struct Worker {
    std::uint64_t number;
    trainer::RecordChannel channel;
  };

  Result<Worker> take_worker();
  void give_back(Worker worker);
  Error bury(Worker worker, const Error& seen);
  Result<ParentReply> ask_parent(const ParentRequest& request, trainer::Descriptor* descriptor);
  Result<data::DecodedImage> decode_by(Worker worker, const trainer::Descriptor& file,
                                       const data::DecodeOptions& options, bool& may_retry);

  const DecoderLimits limits_;
  std::mutex mutex_;
  std::condition_variable freed_;
  unsigned working_ = 0;
  std::vector<Worker> idle_;
  std::mutex parent_mutex_;
  trainer::RecordChannel parent_;
  int process_ = -1;  ///< of the decoder, where this object has started it
};

}  // namespace consilium::decode
