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

/// The limits of a ProcessDecoder.
struct DecoderLimits {
  std::uint32_t cpu_seconds = 60;  ///< for one file
  unsigned workers = 1;            ///< maximum number of files decoded at the same time; further calls wait
};

/// Decodes in worker processes that a broken file may crash. The error then names the file, and the next file gets a
/// fresh process. The trainer opens the file and passes its descriptor; a worker can't open anything itself.
/// Thread-safe.
class ProcessDecoder final : public data::ImageDecoder {
 public:
  /// Uses a decoder that is already running.
  /// @param socket  the trainer's end of the decoder's socket; closing it ends the decoder
  ProcessDecoder(trainer::Descriptor socket, DecoderLimits limits);
  ~ProcessDecoder() override;

  /// Starts `program` (consilium-decode), for a trainer that wasn't started by a daemon. Fails with kNotFound if it
  /// can't be run.
  static Result<std::unique_ptr<ProcessDecoder>> start(const std::filesystem::path& program, DecoderLimits limits);

  /// Starts the consilium-decode in this program's own folder.
  static Result<std::unique_ptr<ProcessDecoder>> start_installed(DecoderLimits limits);

  /// Decodes a file as data::ImageDecoder describes. Fails with kInvalidArgument if the file crashed a worker, with
  /// kResourceExhausted if it exceeded its time or the worker was killed for lack of memory, and with kUnavailable if
  /// the decoder itself has ended.
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
  int process_ = -1;  ///< the decoder's process, if this object started it
};

}  // namespace consilium::decode
