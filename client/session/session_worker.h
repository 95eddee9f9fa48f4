#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "client/masking/group_mode.h"
#include "client/masking/ledger.h"
#include "client/session/session_machine.h"
#include "client/session/site_data.h"
#include "client/trainer_process/trainer_process.h"
#include "client/transport/coordinator_link.h"
#include "common/secagg/mask.h"

namespace consilium::session {

/// Carries out the steps of sessions one after the other, on its own thread: fetches models, drives the trainer,
/// encodes, uploads. The outcome of each step is reported as a SiteEvent on that thread.
class SessionWorker {
 public:
  struct Parts {
    transport::CoordinatorLink& link;
    trainer::TrainerConfig trainer;
    SiteData data;
    std::string site;
    std::filesystem::path models;  ///< cache of global models; keeps the last few
    std::filesystem::path local;   ///< tensors that jobs leave to the site (LocalTensors)
    masking::Ledger& ledger;       ///< records masked vectors before they are sent
    masking::GroupMode& groups;    ///< for mode masked; must outlive the worker
    std::function<void(SiteEvent)> report;
  };

  explicit SessionWorker(Parts parts);
  ~SessionWorker();  ///< cancels the current step and ends the trainer

  /// Starts the trainer before any job needs it. If it can't be started, `failed` gets the error, on the worker's
  /// thread.
  void start(std::function<void(const Error&)> failed);
  /// Queues a step. The worker handles only the effects that have a run() overload.
  void run(Warm effect);
  void run(Fetch effect);
  void run(Work effect);
  /// @param masks  of a masked session: hide the vector as it is sent
  void run(Upload effect, std::vector<secagg::MaskTerm> masks = {});
  /// Queues the upload for an attempt at a sum over a whole group.
  void run(Upload effect, masking::GroupMasks masks);
  void run(CheckTotal effect);
  void run(ForgetJob effect);
  /// Replaces the site's data for jobs that begin from now on. Takes effect before the next step.
  void change_data(SiteData data);
  /// Cancels the session's current or queued step.
  void abandon(const job::SessionKey& key);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::session
