#pragma once

namespace consilium::report {

/// The job of the reports that the tests write: plain, three sites, three rounds.
inline constexpr const char* kReportJob = R"(
name: lungs
model: {layers: [{linear: 2}], input: [3], classes: 2}
data: {dataset: chest}
training: {batch_size: 10, optimizer: {name: sgd, learning_rate: 0.01}}
federation: {rounds: 3, sites: [north, south, west]}
privacy: {secure_aggregation: off}
seed: 7
)";

}  // namespace consilium::report
