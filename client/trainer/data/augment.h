#pragma once

#include "client/trainer/data/prepare.h"
#include "client/trainer/protocol/data_source.h"
#include "common/random/random_stream.h"

namespace consilium::data {

/// Moves the pixels of an image, and its atlas, mask or boxes alike: flips, rotation, scale, shift, smooth
/// displacement, drawn from the stream in a fixed order. A box becomes the smallest that holds the moved one, cut at
/// the image's edge; one whose middle leaves the image is dropped.
void move_pixels(PreparedItem& item, const trainer::Augment& augment, RandomStream& stream);

/// Changes the values of a normalised image: contrast, brightness, noise.
void change_values(Volume& image, const trainer::Augment& augment, RandomStream& stream);

}  // namespace consilium::data
