#pragma once

#include "client/trainer/data/prepare.h"
#include "client/trainer/protocol/data_source.h"
#include "common/random/random_stream.h"

namespace consilium::data {

/// Applies the same spatial changes to an image and to its atlas, mask or boxes: flips, rotation, scaling, shift and
/// smooth displacement, drawn from the stream in a fixed order. A box becomes the smallest one that contains the moved
/// box, clipped to the image. A box whose centre leaves the image is dropped.
void move_pixels(PreparedItem& item, const trainer::Augment& augment, RandomStream& stream);

/// Changes the intensities of a normalised image: contrast, brightness, noise.
void change_values(Volume& image, const trainer::Augment& augment, RandomStream& stream);

}  // namespace consilium::data
