#include "client/trainer/predict/source_uids.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcitem.h>
#include <dcmtk/dcmdata/dcstack.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmdata/dcvrui.h>

#include <array>

namespace consilium::predict {

std::string SourceUids::lawful(const std::string& uid) {
  if (uid.empty() || DcmUniqueIdentifier::checkStringValue(uid.c_str(), "1").good()) return uid;
  std::string& other = standing_in_[uid];
  if (other.empty()) other = new_uid();
  return other;
}

void SourceUids::restore(DcmItem& object) const {
  if (standing_in_.empty()) return;
  std::map<std::string, std::string> own;
  for (const auto& [uid, other] : standing_in_) own[other] = uid;
  DcmStack place;
  while (object.nextObject(place, OFTrue).good()) {
    auto* element = dynamic_cast<DcmUniqueIdentifier*>(place.top());
    OFString value;
    if (element == nullptr || element->getOFString(value, 0).bad()) continue;
    if (const auto found = own.find(value.c_str()); found != own.end()) element->putString(found->second.c_str());
  }
}

std::string new_uid() {
  std::array<char, 100> uid{};
  return dcmGenerateUniqueIdentifier(uid.data());
}

}  // namespace consilium::predict
