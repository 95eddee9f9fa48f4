#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "client/trainer_process/trainer_process.h"

namespace consilium::trainer {

inline const std::string kEchoTrainer = CONSILIUM_BIN_DIR "/consilium-echo-trainer";
inline const std::string kRogueTrainer = CONSILIUM_BIN_DIR "/consilium-rogue-trainer";
inline constexpr std::size_t kParameters = 1000;

inline TrainerConfig rogue(std::vector<std::string> arguments) {
  TrainerConfig config;
  config.command = {kRogueTrainer};
  config.command.insert(config.command.end(), arguments.begin(), arguments.end());
  return config;
}

inline TrainerConfig echo(std::vector<std::string> arguments) {
  TrainerConfig config = rogue(std::move(arguments));
  config.command.front() = kEchoTrainer;
  return config;
}

inline Prepare prepare_request() {
  Prepare request;
  request.model.name = "mlp_2nn";
  request.model.input = {1, 28, 28};
  request.model.classes = 2;
  request.data = {"npz", "/data/chest.npz"};
  request.parameter_count = kParameters;
  return request;
}

inline Train train_request() {
  Train request;
  request.site = "north";
  request.round = 1;
  request.local_epochs = 2;
  request.batch_size = 32;
  request.optimizer.learning_rate = 0.02;
  return request;
}

/// The vectors of a training; the delta is zero.
struct Vectors {
  SharedVector global = SharedVector::create(kParameters * sizeof(float)).value();
  SharedVector delta = SharedVector::create(kParameters * sizeof(float)).value();
};

/// Prepares and trains once.
inline Result<Trained> train_once(TrainerProcess& trainer, Vectors& vectors, std::stop_token stop = {}) {
  CONSILIUM_TRY(trainer.prepare(prepare_request(), {}));
  return trainer.train(train_request(), vectors.global, vectors.delta, {}, stop);
}

/// A folder that the destructor removes.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "consilium-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace consilium::trainer
