#pragma once

namespace consilium::kit {

/// The texts of the files in configs/, as they were when this program was built.
extern const char* const kClientConfig;
extern const char* const kPolicyConfig;
extern const char* const kCoordinatorConfig;
extern const char* const kClientUnit;       ///< consilium-client.service
extern const char* const kCoordinatorUnit;  ///< consilium-coordinator.service

}  // namespace consilium::kit
